"""The local engine, an A2I-compatible human-loop service, and samples."""
