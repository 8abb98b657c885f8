"""The only room that imports Azure's SDKs. It translates: our values in, their requests out, and back.

It decides nothing, keeps nothing, and never reads a source server. Importing a module of this room loads no SDK;
the two that are written against SDK classes (`pipelines`, `hub_clients`) are imported where they are used.
"""
