"""The report on human reviews: how often people overrule the model, where, and what to do about it.

    reviews_source ──▶ statistics ──▶ figures ──▶ findings   what it means, in sentences
    (bucket, folder)   (one pass)        │        charts     drawn by matplotlib, offline
    ledger ────────▶ loop_facts ─────────┘        page       one self-contained HTML file

Everything between the source and the file is pure: the same reviews make the same page, to the byte.
"""
