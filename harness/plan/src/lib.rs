//! Scenario, capabilities, surfaces and seed to a plan
