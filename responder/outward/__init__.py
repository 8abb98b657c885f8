"""What steps may reach beyond Azure: other systems over HTTP, programs on this machine. Only what the settings list.

http       one call, without redirects, to a host that is listed
programs   one program that is listed, without a shell
"""
