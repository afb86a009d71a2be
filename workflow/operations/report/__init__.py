"""The report on human reviews: how often people overrule the model, where, and what to do about it.

    reviews_source ──▶ records ──▶ statistics ──▶ figures ──▶ findings   the results in sentences
    (bucket, folder)               (one pass)        │        charts     SVG, drawn by matplotlib
    ledger ────────▶ loop_facts ─────────────────────┘        page       one self-contained HTML file

Everything between the source and the file is pure: the same reviews always make the same page.
"""
