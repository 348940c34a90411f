//! Simulated devices: update state machine, agent, bodies
