"""The journal: everything that must outlive a crash, in one database.

This room stores values of the core and gives them back. It decides nothing, calls nobody, and knows neither Azure nor
the web. Open it with `stores.open_store`. One set of repositories speaks to two databases through one port
(`database`): a SQLite file for one instance (`embedded`), and PostgreSQL for several (`postgresql`).
"""
