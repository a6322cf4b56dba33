"""The accuracy report: one HTML file that opens offline."""
