"""Variants of attention side by side: trained alike, measured alone, in one report."""
