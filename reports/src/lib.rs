//! Journal to reports
