"""The corpus of drawn scenes that the project carries: pictures, captions in two languages, boxes, and what is true."""
