"""The gallery of a run: one HTML page that shows every item of a report. Pure: text from values."""
