"""Files in and out: what a format is, the formats, and translating a file of one."""
