"""What each verb of the command does: read its inputs, call the library, write outputs and record.

Heavy libraries are imported by the verbs that need them.
"""
