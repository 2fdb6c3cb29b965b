"""The ImageJob processor: reads one order, turns its images into renditions, reports what it did."""
