//! Circuit breakers: refusing while what is called fails.
