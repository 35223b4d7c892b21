//! What is reported as done was done, and what was not is no success.
