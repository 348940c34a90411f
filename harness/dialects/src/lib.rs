//! How to talk to a platform as a user or an operator
