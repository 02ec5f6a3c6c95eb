"""The adapters: the only modules that call AWS. They make no decisions."""
