"""
Talking to clusters: one folder per kind behind one protocol.

This room knows how a job is started, watched and stopped on a cluster. It knows nothing of hosts,
of the store, or of why a job was sent here; admission and routing are the caller's business.
"""
