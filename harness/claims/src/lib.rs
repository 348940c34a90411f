//! Claims compiled into attempts with controls and oracles; verdicts
