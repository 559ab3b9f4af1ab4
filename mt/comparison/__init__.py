"""Variants of attention side by side: trained alike, measured alone, told in one report."""
