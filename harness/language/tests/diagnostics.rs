//! Every mistake as the person who made it sees it.

use fleetproof_language::{CODES, Sources, check, fragments};
use std::collections::BTreeSet;

/// Nothing is wrong with it; each case spoils one thing.
const RIGHT: &str = r#"scenario: A bad update in one building stays in that building
covers: [P2, P8]

platform:
  provider: { device_limit: 1000, admin: pia@provider.test }
  tenants:
    acme:   { device_limit: 300, admin: ada@acme.test }
    globex: { device_limit: 500, admin: gus@globex.test }

artifacts:
  v2: { version: "2.0", size: 64 KiB }

devices:
  hvac:  { tenant: acme,   simulated: 250, speaks: mender, runs: "1.0", tags: [roof] }
  lifts: { tenant: globex, simulated: 400, speaks: mender, runs: "1.0" }

selections:
  beta: { from: [hvac], share: 10%, group: true }

steps:
  - enroll: { devices: [hvac, lifts] }
  - deploy: { artifact: v2, devices: [beta], name: first }
  - expect:
      within: 60s
      updated: { devices: [beta], version: "2.0" }
      untouched: { devices: [lifts], deployment: first }
  - expect: { isolation: { between: [acme, globex] } }
"#;

/// A case: its name, and what replaces what in [`RIGHT`].
type Case = (&'static str, &'static [(&'static str, &'static str)]);

const STEPS: &str = "steps:\n";

/// Somebody who can be onboarded.
const NEWCO: (&str, &str) =
    ("  tenants:\n", "  tenants:\n    newco:  { device_limit: 50, admin: nia@newco.test, starts: absent }\n");

const MEASURED: &str = "steps:\n  - measure: { name: calm, devices: [lifts], for: 5s }\n  - measure: { name: storm, devices: [lifts], for: 5s }\n";

#[rustfmt::skip]
const CASES: &[Case] = &[
    // YAML
    ("not-yaml_open_list", &[("[hvac, lifts] }", "[hvac, lifts }")]),
    ("not-yaml_indent", &[("  - deploy: {", " - deploy: {")]),
    ("not-yaml_tab", &[("  v2: { ver", "\tv2: { ver")]),
    ("not-yaml_quote", &[("version: \"2.0\", size", "version: \"2.0, size")]),
    ("not-yaml_nul", &[("acme:   {", "acme: \0 {")]),
    ("not-yaml_second_document", &[(STEPS, "---\nsteps:\n")]),
    ("yaml-alias", &[("simulated: 250", "simulated: &many 250"), ("simulated: 400", "simulated: *many")]),
    ("yaml-alias_tag", &[("simulated: 250", "simulated: !!int 250")]),
    ("yaml-alias_merge", &[("lifts: { tenant: globex,", "lifts: { <<: hvac, tenant: globex,")]),
    ("unquoted-template", &[("simulated: 250", "simulated: {{ fleet }}")]),
    ("unknown-variable", &[("covers:", "matrix: { fleet: [10, 100] }\ncovers:"), ("simulated: 250", "simulated: \"{{ matrix.flet }}\"")]),
    ("unknown-variable_none", &[("simulated: 250", "simulated: \"{{ fleet }}\"")]),
    ("unknown-variable_in_vars", &[("covers:", "vars: { fleet: { value: \"{{ matrix.fleet }}\" } }\ncovers:")]),
    ("unknown-variable_round", &[(STEPS, "steps:\n  - log: { text: \"round {{ round }}\" }\n")]),
    ("unknown-variable_not_yet", &[(STEPS, "steps:\n  - log: { text: \"{{ widget }}\" }\n  - http: { method: get, path: /api, status: 200, save: { widget: $.id } }\n")]),
    ("unknown-variable_other_branch", &[(STEPS, "steps:\n  - parallel:\n      branches:\n        - - http: { method: get, path: /api, status: 200, save: { widget: $.id } }\n        - - log: { text: \"{{ widget }}\" }\n")]),
    ("bad-template", &[("simulated: 250", "simulated: \"{{ 2 * fleet }}\"")]),
    ("late-template", &[(STEPS, "steps:\n  - http: { method: get, path: /api, status: 200, save: { widget: $.id } }\n"), ("[hvac, lifts] }", "[\"{{ widget }}\"] }")]),
    ("late-template_secret", &[("covers:", "vars: { token: { secret: ACME_TOKEN } }\ncovers:"), ("64 KiB", "\"{{ token }}\"")]),
    ("bad-name_secret", &[("covers:", "vars: { token: { secret: acme-token } }\ncovers:")]),
    ("bad-name_variable", &[("covers:", "vars: { Fleet: { value: 3 } }\ncovers:")]),
    ("name-taken_variable", &[("covers:", "vars: { acme: { value: 3 } }\ncovers:")]),
    ("two-kinds_variable", &[("covers:", "vars: { fleet: { value: 3, one_of: [4, 5] } }\ncovers:")]),
    ("out-of-range_range", &[("covers:", "vars: { fleet: { range: [9, 3] } }\ncovers:")]),
    ("out-of-range_range_of_three", &[("covers:", "vars: { fleet: { range: [1, 2, 3] } }\ncovers:")]),
    ("out-of-range_filled_in", &[("covers:", "matrix: { fleet: [10, 0] }\ncovers:"), ("simulated: 250", "simulated: \"{{ matrix.fleet }}\"")]),
    ("limit-exceeded_one_of", &[("covers:", "vars: { fleet: { one_of: [10, 320] } }\ncovers:"), ("simulated: 250", "simulated: \"{{ fleet }}\"")]),
    ("wrong-shape_filled_in", &[("covers:", "matrix: { fleet: [10, many] }\ncovers:"), ("simulated: 250", "simulated: \"{{ matrix.fleet }}\"")]),
    ("wrong-shape_matrix", &[("covers:", "matrix: { fleet: 10 }\ncovers:")]),
    ("wrong-shape_seed", &[("covers:", "matrix: { seed: [1, two] }\ncovers:")]),
    ("listed-twice_matrix", &[("covers:", "matrix: { fleet: [10, 10] }\ncovers:")]),
    ("too-many_rows", &[("covers:", "matrix: { a: [1, 2, 3, 4, 5, 6, 7], b: [1, 2, 3, 4, 5, 6, 7], c: [1, 2, 3, 4, 5, 6, 7] }\ncovers:")]),
    ("unknown-word_needs", &[("covers:", "needs: [container]\ncovers:")]),
    ("missing-key_http", &[(STEPS, "steps:\n  - http: { method: get, path: /api }\n")]),
    ("bad-path", &[(STEPS, "steps:\n  - http: { method: get, path: /api, status: 200, body: { id: 3 } }\n")]),
    ("bad-path_save", &[(STEPS, "steps:\n  - http: { method: get, path: /api, status: 200, save: { widget: \"$.[\" } }\n")]),
    ("bad-path_url", &[(STEPS, "steps:\n  - http: { method: get, path: \"https://acme.test/api\", status: 200 }\n")]),
    ("bad-name_header", &[(STEPS, "steps:\n  - http: { method: get, path: /api, status: 200, headers: { \"X Y\": z } }\n")]),
    ("two-outcomes_http", &[(STEPS, "steps:\n  - http: { method: get, path: /api, refused: unseen, save: { widget: $.id } }\n")]),
    ("unknown-fragment", &[(STEPS, "steps:\n  - use: { fragment: nowhere.fragment.yaml, with: { fleet: hvac } }\n")]),
    ("duplicate-key_claim", &[("      untouched", "      updated: { devices: [hvac], version: \"2.0\" }\n      untouched")]),
    ("duplicate-key_name", &[("    globex: {", "    acme: { device_limit: 1, admin: a@b.test }\n    globex: {")]),
    ("duplicate-key_top", &[(STEPS, "devices: {}\nsteps:\n")]),
    ("no-kind", &[("scenario: A bad update in one building stays in that building", "title: A bad update")]),
    ("no-kind_not_first", &[("scenario: A bad", "about: first\nscenario: A bad")]),
    ("secret-in-file", &[("scenario: A", "scenario: eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl A")]),
    // Keys, words, shapes
    ("unknown-key", &[("  tenants:", "  tenents:")]),
    ("unknown-key_nothing_near", &[("share: 10%", "colour: red")]),
    ("unknown-word", &[("64 KiB }", "64 KiB, misbehaves: never-boots }")]),
    ("unknown-word_speaks", &[("runs: \"1.0\", tags", "poll: 2s, runs: \"1.0\", tags"), ("250, speaks: mender", "250, speaks: coap")]),
    ("unknown-word_given_role", &[(STEPS, "steps:\n  - add_user: { user: ada@acme.test, tenant: globex, role: none }\n")]),
    ("unknown-row", &[("[P2, P8]", "[P2, p8, P99]")]),
    ("unknown-verb", &[("- enroll:", "- enrol:")]),
    ("unknown-verb_of_later", &[("- enroll:", "- explore:")]),
    ("unknown-claim", &[("isolation:", "isolaton:")]),
    ("two-verbs", &[("  - expect: { isolation", "  - within: 5s\n    expect: { isolation")]),
    ("two-verbs_really", &[("  - deploy:", "    deploy:")]),
    ("missing-key", &[(", name: first }", " }"), ("      untouched: { devices: [lifts], deployment: first }\n", "")]),
    ("missing-key_top", &[("steps:\n", "afterwards:\n")]),
    ("missing-key_limit_under_provider", &[("device_limit: 300, ", "")]),
    ("missing-key_accepted", &[("[hvac, lifts] }", "[hvac, lifts], accepted: 3 }")]),
    // Strain
    ("no-unit_rate", &[(STEPS, "steps:\n  - load: { knock: { devices: [hvac], rate: 200, for: 5s } }\n")]),
    ("no-unit_rate_of_minutes", &[("admin: ada@acme.test", "admin: ada@acme.test, quotas: { call_rate: 60/m }")]),
    ("wrong-shape_rate", &[("admin: ada@acme.test", "admin: ada@acme.test, quotas: { call_rate: often }")]),
    ("out-of-range_rate", &[("admin: ada@acme.test", "admin: ada@acme.test, quotas: { call_rate: 0/s }")]),
    ("unknown-key_quota", &[("admin: ada@acme.test", "admin: ada@acme.test, quotas: { publishes: 60/s }")]),
    ("hold-with-for", &[(STEPS, "steps:\n  - while:\n      background:\n        - load: { knock: { devices: [hvac], rate: 5/s, for: 5s } }\n      steps:\n        - wait_until: { elapsed: { for: 5s } }\n")]),
    ("hold-with-for_fault", &[(STEPS, "steps:\n  - while:\n      background:\n        - fault: { partition: { between: [hvac, platform], for: 5s } }\n      steps:\n        - wait_until: { elapsed: { for: 5s } }\n")]),
    ("not-held", &[(STEPS, "steps:\n  - while:\n      background:\n        - fault: { reset: { between: [hvac, platform] } }\n      steps:\n        - wait_until: { elapsed: { for: 5s } }\n")]),
    ("hold-without-for_load", &[(STEPS, "steps:\n  - load: { call: { by: ada@acme.test, operation: List Artifacts, rate: 5/s } }\n")]),
    ("no-unit_ratio", &[(STEPS, MEASURED), ("isolation: { between: [acme, globex] }", "neighbour: { measure: storm, baseline: calm, p99: 1.2, lost: 0 }")]),
    ("unknown-measure", &[(STEPS, MEASURED), ("isolation: { between: [acme, globex] }", "neighbour: { measure: strom, baseline: calm, p99: 1.2x, lost: 0 }")]),
    ("unknown-measure_later", &[(STEPS, "steps:\n  - expect: { measured: { measure: calm, latency: 1s, errors: 0%, lost: 0 } }\n  - measure: { name: calm, devices: [lifts], for: 5s }\n")]),
    ("no-load", &[(STEPS, MEASURED), ("isolation: { between: [acme, globex] }", "neighbour: { measure: storm, baseline: calm, p99: 1.2x, lost: 0 }")]),
    ("no-control_baseline", &[(STEPS, MEASURED), ("isolation: { between: [acme, globex] }", "neighbour: { measure: calm, baseline: calm, p99: 1.2x, lost: 0 }")]),
    ("no-limit", &[("isolation: { between: [acme, globex] }", "quota: { tenants: [acme], limits: [call_rate] }")]),
    ("operator-only", &[(STEPS, "steps:\n  - configure: { tenant: acme, by: pia@provider.test, quotas: { call_rate: 60/min } }\n")]),
    ("budget-too-small_measure", &[(STEPS, "steps:\n  - measure: { name: calm, devices: [lifts], for: 10m }\n")]),
    ("missing-key_configure", &[(STEPS, "steps:\n  - configure: { tenant: acme }\n")]),
    ("wrong-shape_list", &[("devices: [hvac, lifts]", "devices: hvac")]),
    ("wrong-shape_name", &[("tenant: acme, ", "tenant: [acme], ")]),
    ("wrong-shape_number", &[("simulated: 250", "simulated: \"250\"")]),
    ("wrong-shape_number_text", &[("simulated: 250", "simulated: many")]),
    ("wrong-shape_text", &[("scenario: A bad update in one building stays in that building", "scenario: 2024")]),
    ("wrong-shape_nothing", &[("  provider: { device_limit: 1000, admin: pia@provider.test }", "  provider:")]),
    ("wrong-shape_block", &[("  v2: { version: \"2.0\", size: 64 KiB }", "  v2: \"2.0\"")]),
    ("wrong-shape_table", &[("  v2: {", "  - v2: {")]),
    ("wrong-shape_step", &[("  - enroll: {", "  - enroll\n  - enroll: {")]),
    ("wrong-shape_yes", &[("group: true", "group: yes")]),
    ("wrong-shape_duration", &[("within: 60s", "within: soon")]),
    ("wrong-shape_fraction", &[("within: 60s", "within: 1.5m")]),
    ("too-few", &[("[acme, globex]", "[acme]")]),
    ("too-few_empty", &[("devices: [hvac, lifts]", "devices: []")]),
    ("listed-twice", &[("[hvac, lifts]", "[hvac, lifts, hvac]")]),
    ("no-unit", &[("within: 60s", "within: 60")]),
    ("no-unit_size", &[("64 KiB", "64")]),
    ("no-unit_size_glued", &[("64 KiB", "64kib")]),
    ("no-unit_share", &[("10%", "10")]),
    ("no-unit_unknown", &[("within: 60s", "within: 60 sec")]),
    ("out-of-range", &[("simulated: 250", "simulated: 99999999999999999999")]),
    ("out-of-range_negative", &[("device_limit: 300", "device_limit: -1")]),
    ("out-of-range_share", &[("10%", "110%")]),
    ("out-of-range_duration", &[("within: 60s", "within: 99999999999999999999d")]),
    ("out-of-range_stays", &[("within: 60s", "within: 60s\n      stays: 60s")]),
    ("out-of-range_accepted", &[("test }\n\nart", "test }\n    north: { device_limit: 1, admin: n@n.test, starts: absent }\n\nart"), (STEPS, "steps:\n  - onboard: { tenants: [north], accepted: 1, refused: over_limit }\n")]),
    ("version-not-text", &[("version: \"2.0\", size", "version: 2.0, size")]),
    ("version-not-text_whole", &[("runs: \"1.0\", tags", "runs: 1, tags")]),
    // Rollouts
    ("missing-key_grows", &[("name: first", "name: first, grows: { factor: 2x, per: 10, counting: notified }")]),
    ("missing-key_counting", &[("name: first", "name: first, rate: 5/s, grows: { factor: 2x, per: 10 }")]),
    ("missing-key_abort_above", &[("name: first", "name: first, abort_after: 5")]),
    ("missing-key_retries", &[("name: first", "name: first, retry_on: failed")]),
    ("missing-key_share", &[("name: first", "name: first, phases: [{}, { after: 5s }]")]),
    ("missing-key_after", &[("name: first", "name: first, phases: [{ share: 10% }, {}]")]),
    ("missing-key_is", &[("  - expect: { isolation", "  - wait_until: { state: { deployment: first } }\n  - expect: { isolation")]),
    ("missing-key_ended", &[("  - expect: { isolation", "  - expect: { within: 5s, rollout: { deployment: first } }\n  - expect: { isolation")]),
    ("missing-key_pause", &[("  - expect: { isolation", "  - pause: {}\n  - expect: { isolation")]),
    ("missing-key_affects", &[("64 KiB }", "64 KiB, affects: 40% }")]),
    ("out-of-range_affects", &[("64 KiB }", "64 KiB, misbehaves: bad_checksum, affects: 40% }")]),
    ("out-of-range_affects_nobody", &[("64 KiB }", "64 KiB, misbehaves: hangs, affects: 0% }")]),
    ("out-of-range_factor", &[("name: first", "name: first, rate: 5/s, grows: { factor: 0.5x, per: 10, counting: notified }")]),
    ("out-of-range_last_share", &[("name: first", "name: first, phases: [{ share: 10% }, { share: 90%, after: 5s }]")]),
    ("out-of-range_shares", &[("name: first", "name: first, phases: [{ share: 60% }, { share: 40%, after: 5s }, { after: 5s }]")]),
    ("out-of-range_empty_phase", &[("simulated: 250", "simulated: 9"), ("devices: [beta], name", "devices: [hvac], name"), ("name: first", "name: first, phases: [{ share: 10% }, { after: 5s }]")]),
    ("out-of-range_rate_of_rollout", &[("name: first", "name: first, rate: 0/s")]),
    ("no-unit_rate_of_rollout", &[("name: first", "name: first, rate: 600")]),
    ("no-unit_rate_unknown", &[("name: first", "name: first, rate: 600/h")]),
    ("no-unit_factor", &[("name: first", "name: first, rate: 5/s, grows: { factor: 2, per: 10, counting: notified }")]),
    ("wrong-shape_rate_of_rollout", &[("name: first", "name: first, rate: fast")]),
    ("wrong-shape_phases", &[("name: first", "name: first, phases: [10%, 90%]")]),
    ("unknown-word_is", &[("  - expect: { isolation", "  - wait_until: { state: { deployment: first, is: done } }\n  - expect: { isolation")]),
    ("unknown-word_retry_on", &[("name: first", "name: first, retries: 2, retry_on: failure")]),
    ("unknown-word_target", &[("name: first", "name: first, target: dynamic")]),
    ("unknown-deployment_pause", &[(STEPS, "steps:\n  - pause: { deployment: first }\n")]),
    ("unknown-deployment_rollout", &[("  - expect: { isolation", "  - expect: { within: 5s, rollout: { deployment: frist, ended: finished } }\n  - expect: { isolation")]),
    ("missing-deadline_rollout", &[("  - expect: { isolation", "  - expect: { rollout: { deployment: first, ended: finished } }\n  - expect: { isolation")]),
    ("never-true", &[("  - expect: { isolation", "  - expect: { within: 5s, rollout: { deployment: first, ended: aborted } }\n  - expect: { isolation")]),
    ("never-true_continuous", &[("name: first", "name: first, target: continuous"), ("  - expect: { isolation", "  - expect: { within: 5s, rollout: { deployment: first, ended: finished } }\n  - expect: { isolation")]),
    // Messages
    ("not-spoken", &[("250, speaks: mender", "250, speaks: mender, publishes: { topic: air, every: 1s, size: 200 B }")]),
    ("not-spoken_poll", &[("250, speaks: mender", "250, speaks: mqtt, poll: 2s")]),
    ("missing-key_runs", &[("simulated: 250, speaks: mender, runs: \"1.0\"", "simulated: 250, speaks: mender")]),
    ("missing-key_runs_before_update", &[("simulated: 250, speaks: mender, runs: \"1.0\"", "simulated: 250, speaks: mqtt")]),
    ("missing-key_every", &[("250, speaks: mender", "250, speaks: mqtt, publishes: { topic: air, size: 200 B }")]),
    ("missing-key_duplicated", &[("      untouched", "      delivery: { devices: [hvac], lost: 0 }\n      untouched")]),
    ("out-of-range_qos", &[("250, speaks: mender", "250, speaks: mqtt, publishes: { topic: air, every: 1s, size: 200 B, qos: 2 }")]),
    ("bad-topic", &[("250, speaks: mender", "250, speaks: mqtt, publishes: { topic: \"air/#\", every: 1s, size: 200 B }")]),
    ("bad-topic_level", &[("250, speaks: mender", "250, speaks: mqtt, publishes: { topic: /air, every: 1s, size: 200 B }")]),
    ("no-evidence", &[("      untouched", "      delivery: { devices: [beta], lost: 0, duplicated: 0 }\n      untouched")]),
    ("not-spoken_load", &[(STEPS, "steps:\n  - load: { publish: { devices: [beta], topic: roar, every: 1s, size: 200 B, for: 5s } }\n")]),
    ("not-spoken_reconnect", &[(STEPS, "steps:\n  - load: { reconnect: { devices: [lifts], rate: 5/s, for: 5s } }\n")]),
    ("not-spoken_subscribe", &[(STEPS, "steps:\n  - mqtt: { subscribe: { devices: [hvac], topic: \"#\", name: all } }\n")]),
    ("hold-without-for_publish", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - load: { publish: { devices: [lifts], topic: roar, every: 1s, size: 200 B } }\n")]),
    ("hold-with-for_reconnect", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - while:\n      background:\n        - load: { reconnect: { devices: [lifts], rate: 5/s, for: 5s } }\n      steps:\n        - wait_until: { elapsed: { for: 5s } }\n")]),
    ("bad-topic_load", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - load: { publish: { devices: [lifts], topic: \"roar/+\", every: 1s, size: 200 B, for: 5s } }\n")]),
    ("bad-topic_publish", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - mqtt: { publish: { devices: [lifts], topic: \"app/#\", text: hello } }\n")]),
    ("bad-topic_filter", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - mqtt: { subscribe: { devices: [lifts], topic: \"app/#/x\", name: all } }\n")]),
    ("bad-topic_filter_part", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - mqtt: { subscribe: { devices: [lifts], topic: app/lifts-+, name: all } }\n")]),
    ("unknown-word_mqtt", &[(STEPS, "steps:\n  - mqtt: { subscripe: { devices: [lifts], topic: app, name: all } }\n")]),
    ("missing-key_subscription", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - mqtt: { subscribe: { devices: [lifts], topic: app } }\n")]),
    ("unknown-subscription", &[("      untouched", "      received: { subscription: all, count: 0 }\n      untouched")]),
    ("unknown-subscription_later", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - expect: { within: 5s, received: { subscription: all, count: 1, text: hello } }\n  - mqtt: { subscribe: { devices: [lifts], topic: app, name: all } }\n")]),
    ("missing-deadline_received", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - mqtt: { subscribe: { devices: [lifts], topic: app, name: all } }\n  - expect: { received: { subscription: all, count: 1 } }\n")]),
    ("unjudged_publish", &[("400, speaks: mender", "400, speaks: mqtt"), ("  - expect: { isolation", "  - mqtt: { publish: { devices: [lifts], topic: app, text: hello, may_fail: true } }\n  - expect: { isolation"), ("isolation: { between: [acme, globex] }", "access: { user: ada@acme.test, tenant: acme, role: admin }")]),
    ("no-evidence_measure", &[("400, speaks: mender", "400, speaks: mqtt"), (STEPS, "steps:\n  - measure: { name: calm, devices: [lifts], for: 5s }\n")]),
    ("no-evidence_surface", &[("between: [acme, globex]", "between: [acme, globex], surfaces: [http, mqtt]")]),
    ("no-lobby_surface", &[("between: [acme, globex]", "between: [acme, globex], surfaces: [lobby]")]),
    ("no-limit_publish_rate", &[("admin: ada@acme.test", "admin: ada@acme.test, quotas: { connect_rate: 100/s }"), ("isolation: { between: [acme, globex] }", "quota: { tenants: [acme], limits: [connect_rate, publish_rate] }")]),
    ("no-unit_payload", &[("admin: ada@acme.test", "admin: ada@acme.test, quotas: { payload: 1000 }")]),
    ("no-unit_session_expiry", &[("admin: ada@acme.test", "admin: ada@acme.test, quotas: { session_expiry: 3600 }")]),
    ("wrong-shape_connections", &[("admin: ada@acme.test", "admin: ada@acme.test, quotas: { connections: 100/s }")]),
    ("unknown-word_limits", &[("isolation: { between: [acme, globex] }", "quota: { tenants: [acme], limits: [publishes] }")]),
    // Names
    ("unknown-tenant", &[("tenant: acme, ", "tenant: acmee, ")]),
    ("unknown-tenant_provider", &[("tenant: acme, ", "tenant: provider, ")]),
    ("unknown-tenant_no_provider", &[("  provider: { device_limit: 1000, admin: pia@provider.test }\n", ""), ("[acme, globex]", "[acme, provider]")]),
    ("unknown-user", &[("[hvac, lifts] }", "[hvac, lifts], by: bob@acme.test }")]),
    ("unknown-user_near", &[("[hvac, lifts] }", "[hvac, lifts], by: ada@acme.tst }")]),
    ("unknown-devices", &[("devices: [hvac, lifts]", "devices: [havc, lifts]")]),
    ("unknown-artifact", &[("artifact: v2", "artifact: v3-broken")]),
    ("unknown-deployment_below", &[(STEPS, "steps:\n  - abort: { deployment: first }\n")]),
    ("unknown-deployment", &[("deployment: first", "deployment: frist")]),
    ("unknown-tag", &[("share: 10%", "tagged: [rof]")]),
    ("name-taken", &[("hvac:  {", "acme:  {")]),
    ("name-taken_reserved", &[("  v2: {", "  lobby: {")]),
    ("name-taken_admin", &[("admin: ada@acme.test }", "admin: ada@acme.test, users: { ada@acme.test: { role: viewer } } }")]),
    ("bad-name", &[("    globex: {", "    Globex_2: {")]),
    ("bad-name_user", &[("ada@acme.test", "Ada Lovelace")]),
    // Rules
    ("cyclic-selection", &[("  beta: { from: [hvac]", "  gamma: { from: [beta] }\n  beta: { from: [gamma]")]),
    ("mixed-group", &[("from: [hvac]", "from: [hvac, lifts]")]),
    ("mixed-group_role", &[("gus@globex.test }", "gus@globex.test, users: { ivy: { role: viewer, only: [beta] } } }")]),
    ("not-a-group", &[("ada@acme.test }", "ada@acme.test, users: { ivy: { role: viewer, only: [hvac] } } }")]),
    ("two-parts", &[("share: 10%", "share: 10%, first: 5")]),
    ("two-outcomes", &[("[hvac, lifts] }", "[hvac, lifts], refused: over_limit, may_fail: true }")]),
    ("already-there", &[(STEPS, "steps:\n  - onboard: { tenants: [acme] }\n")]),
    ("removed-before", &[(STEPS, "steps:\n  - remove: { tenants: [acme] }\n  - suspend: { tenants: [acme] }\n")]),
    ("suspended-before", &[(STEPS, "steps:\n  - suspend: { tenants: [acme] }\n")]),
    ("suspended-before_claim", &[("  - expect: { isolation", "  - suspend: { tenants: [globex] }\n  - expect: { isolation")]),
    ("no-control_like", &[("      untouched", "      barred: { devices: [hvac], like: beta }\n      untouched")]),
    ("missing-key_like", &[("      untouched", "      barred: { devices: [hvac] }\n      untouched")]),
    ("missing-key_text", &[(STEPS, "steps:\n  - log: {}\n")]),
    ("unknown-artifact_upload", &[(STEPS, "steps:\n  - upload: { artifact: v3, tenants: [acme] }\n")]),
    ("two-kinds", &[(STEPS, "steps:\n  - wait_until: { elapsed: { for: 5s }, progress: { deployment: first, at_least: 50% } }\n")]),
    ("unknown-word_kind", &[(STEPS, "steps:\n  - wait_until: { elapsd: { for: 5s } }\n")]),
    ("wrong-shape_kind", &[(STEPS, "steps:\n  - wait_until: 5s\n")]),
    ("missing-key_for", &[(STEPS, "steps:\n  - wait_until: { elapsed: {} }\n")]),
    ("no-unit_at_least", &[("  - expect: { isolation", "  - wait_until: { progress: { deployment: first, at_least: 50 } }\n  - expect: { isolation")]),
    ("unknown-deployment_wait", &[(STEPS, "steps:\n  - wait_until: { progress: { deployment: first, at_least: 50% } }\n")]),
    ("missing-key_times", &[(STEPS, "steps:\n  - repeat: { steps: [{ log: { text: again } }] }\n")]),
    ("too-few_branches", &[(STEPS, "steps:\n  - parallel: { branches: [[{ log: { text: alone } }]] }\n")]),
    ("too-few_branch", &[(STEPS, "steps:\n  - parallel: { branches: [[{ log: { text: one } }], []] }\n")]),
    ("wrong-shape_branches", &[(STEPS, "steps:\n  - parallel: { branches: [{ log: { text: one } }, { log: { text: two } }] }\n")]),
    ("wrong-shape_branches_block", &[(STEPS, "steps:\n  - parallel: { branches: { log: { text: one } } }\n")]),
    ("unknown-verb_inside", &[(STEPS, "steps:\n  - repeat: { times: 2, steps: [{ enrol: { devices: [hvac] } }] }\n")]),
    ("unknown-devices_inside", &[(STEPS, "steps:\n  - parallel:\n      branches:\n        - - knock: { devices: [havc] }\n        - - knock: { devices: [lifs] }\n")]),
    ("unknown-deployment_outside", &[("  - deploy: { artifact: v2, devices: [beta], name: first }\n", "  - repeat:\n      times: 2\n      steps:\n        - deploy: { artifact: v2, devices: [beta], name: first }\n")]),
    ("unknown-deployment_branch", &[(STEPS, "steps:\n  - parallel:\n      branches:\n        - - deploy: { artifact: v2, devices: [hvac], name: other }\n        - - abort: { deployment: other }\n")]),
    ("name-taken_inside", &[(STEPS, "steps:\n  - repeat: { times: 2, steps: [{ deploy: { artifact: v2, devices: [hvac], name: first } }] }\n")]),
    ("not-alone", &[(STEPS, "steps:\n  - parallel:\n      branches:\n        - - expect: { isolation: { between: [acme, globex] } }\n        - - knock: { devices: [lifts] }\n")]),
    ("suspended-before_round", &[(STEPS, "steps:\n  - repeat: { times: 2, steps: [{ suspend: { tenants: [acme] } }] }\n")]),
    ("budget-too-small_rounds", &[(STEPS, "steps:\n  - repeat: { times: 7, steps: [{ wait_until: { elapsed: { for: 1m } } }] }\n")]),
    ("budget-too-small", &[("platform:\n", "budget: 5m\nplatform:\n"), (STEPS, "steps:\n  - wait_until: { elapsed: { for: 7m } }\n")]),
    ("budget-too-small_default", &[(STEPS, "steps:\n  - wait_until: { elapsed: { for: 301s } }\n")]),
    ("no-provider", &[("  provider: { device_limit: 1000, admin: pia@provider.test }\n", ""), ("{ isolation: {", "{ pool: { callers: 8 }, isolation: {")]),
    ("pool-exceeded", &[("device_limit: 300", "device_limit: 600")]),
    ("limit-exceeded", &[("simulated: 250", "simulated: 320")]),
    ("refused-without-kind", &[("[hvac, lifts] }", "[hvac, lifts], refused: true }")]),
    ("no-control", &[(STEPS, "steps:\n  - claim: { devices: [hvac], by: ada@acme.test, refused: unseen }\n")]),
    ("hold-without-for", &[("  - expect: { isolation", "  - fault: { partition: { between: [hvac, platform] } }\n  - expect: { isolation")]),
    ("two-ends", &[("  - expect: { isolation", "  - fault: { reset: { between: [hvac, lifts, platform] } }\n  - expect: { isolation")]),
    ("too-few_ends", &[("  - expect: { isolation", "  - fault: { reset: { between: [hvac] } }\n  - expect: { isolation")]),
    ("hold-without-for_fail_calls", &[("  - expect: { isolation", "  - fault: { fail_calls: { component: accounts, share: 20% } }\n  - expect: { isolation")]),
    ("out-of-range_no_calls", &[("  - expect: { isolation", "  - fault: { fail_calls: { component: accounts, share: 0%, for: 5s } }\n  - expect: { isolation")]),
    ("unknown-component", &[("  - expect: { isolation", "  - fault: { fail_calls: { component: acounts, share: 20%, for: 5s } }\n  - expect: { isolation")]),
    ("unknown-word_interrupt", &[NEWCO, (STEPS, "steps:\n  - sweep:\n      interrupt: { connections: { devices: [hvac] } }\n      points: every\n      steps: [{ onboard: { tenants: [newco] } }]\n      expect: { within: 30s, onboarded: { tenants: [newco], outcome: whole_or_undone } }\n")]),
    ("missing-key_draws", &[NEWCO, (STEPS, "steps:\n  - sweep:\n      interrupt: { fail_calls: { component: accounts } }\n      points: drawn\n      steps: [{ onboard: { tenants: [newco] } }]\n      expect: { within: 30s, onboarded: { tenants: [newco], outcome: whole_or_undone } }\n")]),
    ("missing-key_judged", &[NEWCO, (STEPS, "steps:\n  - sweep:\n      interrupt: { fail_calls: { component: accounts } }\n      points: every\n      steps: [{ onboard: { tenants: [newco] } }]\n")]),
    ("missing-deadline_sweep", &[NEWCO, (STEPS, "steps:\n  - sweep:\n      interrupt: { fail_calls: { component: accounts } }\n      points: every\n      steps: [{ onboard: { tenants: [newco] } }]\n      expect: { onboarded: { tenants: [newco], outcome: whole_or_undone } }\n")]),
    ("nothing-drawn", &[NEWCO, (STEPS, "steps:\n  - sweep:\n      interrupt: { fail_calls: { component: accounts } }\n      points: every\n      draws: 5\n      steps: [{ onboard: { tenants: [newco] } }]\n      expect: { within: 30s, onboarded: { tenants: [newco], outcome: whole_or_undone } }\n")]),
    ("never-called", &[(STEPS, "steps:\n  - sweep:\n      interrupt: { fail_calls: { component: accounts } }\n      points: every\n      steps: [{ upload: { artifact: v2, tenants: [acme] } }]\n      expect: { within: 30s, onboarded: { tenants: [acme], outcome: whole } }\n")]),
    ("never-called_lobby", &[NEWCO, (STEPS, "steps:\n  - sweep:\n      interrupt: { fail_calls: { component: lobby } }\n      points: every\n      steps: [{ onboard: { tenants: [newco] } }]\n      expect: { within: 30s, onboarded: { tenants: [newco], outcome: whole_or_undone } }\n")]),
    ("no-lobby_calls", &[("  - expect: { isolation", "  - fault: { fail_calls: { component: lobby, share: 20%, for: 5s } }\n  - expect: { isolation")]),
    ("never-updated", &[(STEPS, "steps:\n  - sweep:\n      interrupt: { connection: { devices: [hvac, lifts] } }\n      points: every\n      steps: [{ deploy: { artifact: v2, devices: [hvac], name: update } }]\n      expect: { within: 90s, updated: { devices: [hvac], version: \"2.0\" } }\n")]),
    ("never-updated_misbehaves", &[("size: 64 KiB", "size: 64 KiB, misbehaves: never_boots"), (STEPS, "steps:\n  - sweep:\n      interrupt: { connection: { devices: [beta] } }\n      points: every\n      steps: [{ deploy: { artifact: v2, devices: [hvac], name: update } }]\n      expect: { within: 90s, reported: { devices: [hvac] } }\n")]),
    ("unknown-devices_interrupt", &[(STEPS, "steps:\n  - sweep:\n      interrupt: { connection: { devices: [havc] } }\n      points: every\n      steps: [{ deploy: { artifact: v2, devices: [hvac], name: update } }]\n      expect: { within: 90s, updated: { devices: [hvac], version: \"2.0\" } }\n")]),
    ("unknown-deployment_in_sweep", &[NEWCO, ("  - deploy: { artifact: v2, devices: [beta], name: first }\n", "  - sweep:\n      interrupt: { fail_calls: { component: accounts } }\n      points: every\n      steps: [{ onboard: { tenants: [newco] } }, { deploy: { artifact: v2, devices: [beta], name: first } }]\n      expect: { within: 30s, onboarded: { tenants: [newco], outcome: whole_or_undone } }\n")]),
    ("no-link", &[("  - expect: { isolation", "  - fault: { partition: { between: [hvac, globex], for: 5s } }\n  - expect: { isolation")]),
    ("unknown-end", &[("  - expect: { isolation", "  - fault: { reset: { between: [hvac, platfrom] } }\n  - expect: { isolation")]),
    ("unknown-word_fault", &[("  - expect: { isolation", "  - fault: { explode: { between: [hvac, platform] } }\n  - expect: { isolation")]),
    ("missing-key_slow", &[("  - expect: { isolation", "  - fault: { slow: { between: [hvac, platform], for: 5s } }\n  - expect: { isolation")]),
    ("out-of-range_loss", &[("  - expect: { isolation", "  - fault: { slow: { between: [hvac, platform], loss: 100%, for: 5s } }\n  - expect: { isolation")]),
    ("out-of-range_flaky", &[("simulated: 250,", "simulated: 250, flaky: { offline: 0%, for: 5s },")]),
    ("no-unit_bandwidth", &[("simulated: 250,", "simulated: 250, bandwidth: 32 KiB,")]),
    ("no-unit_bandwidth_glued", &[("simulated: 250,", "simulated: 250, bandwidth: 32kbps,")]),
    ("budget-too-small_fault", &[("  - expect: { isolation", "  - fault: { partition: { between: [hvac, platform], for: 6m } }\n  - expect: { isolation")]),
    ("not-signed", &[("64 KiB }", "64 KiB, misbehaves: bad_signature }")]),
    ("revoked-before", &[("      untouched", "      barred: { devices: [hvac], like: lifts }\n      untouched"), ("  - deploy:", "  - revoke: { devices: [beta] }\n  - deploy:")]),
    ("missing-key_lost", &[("      untouched", "      acknowledged: { tenants: [acme] }\n      untouched")]),
    ("unjudged", &[("    globex: {", "    north: { device_limit: 9, admin: n@n.test, starts: absent }\n    globex: {"), (STEPS, "steps:\n  - onboard: { tenants: [north], may_fail: true }\n")]),
    ("missing-deadline", &[("      within: 60s\n", "")]),
    ("nothing-claimed", &[("  - expect:\n      within: 60s\n      updated: { devices: [beta], version: \"2.0\" }\n      untouched: { devices: [lifts], deployment: first }\n  - expect: { isolation: { between: [acme, globex] } }\n", "")]),
    ("nothing-claimed_expect", &[("{ isolation: { between: [acme, globex] } }", "{ within: 5s }"), ("[P2, P8]", "[P8]")]),
    ("covers-nothing", &[("[P2, P8]", "[P2, P8, P3]")]),
    ("covers-nothing_later", &[("[P2, P8]", "[P9, P8]")]),
];

/// Nothing is wrong with it either: regions, authorities, a lobby.
const LOBBY: &str = r#"scenario: A device moves without being touched
covers: [A3, A5]
platform:
  regions: [us-east, eu-west]
  certificate_authorities: [factory, rogue]
  lobby: { regions: [us-east], trusts: [factory] }
  tenants:
    acme-us: { regions: [us-east], admin: ada@acme.test }
    acme-eu: { regions: [eu-west], admin: ada@acme.test, lobby_trust: withheld }
  people: [mallory@example.test]
devices:
  sensors: { tenant: none, simulated: 20, speaks: mqtt, identity: { issued_by: factory } }
  foreign: { tenant: none, simulated: 5, speaks: mqtt, identity: { issued_by: rogue, defect: same_name, like: sensors } }
  pumps: { tenant: acme-us, simulated: 5, speaks: mqtt }
  hvac: { tenant: acme-us, simulated: 5, speaks: mender, runs: "1.0" }
selections:
  half: { from: [sensors], share: 50% }
steps:
  - knock: { devices: [sensors] }
  - expect: { within: 20s, in_lobby: { devices: [sensors] } }
  - claim: { devices: [sensors], tenant: acme-us }
  - claim: { devices: [sensors], tenant: acme-eu, by: mallory@example.test, refused: unseen }
  - grant_trust: { tenants: [acme-eu] }
  - migrate: { devices: [sensors], tenant: acme-eu }
  - evacuate: { region: us-east, into: eu-west }
  - expect:
      within: 60s
      bound: { devices: [sensors], tenant: acme-eu }
      owned_once: { devices: [sensors], among: [acme-us, acme-eu] }
      residency: { tenants: [acme-us, acme-eu] }
  - release: { devices: [half], by: ada@acme.test }
"#;

const NO_LOBBY: (&str, &str) = ("  lobby: { regions: [us-east], trusts: [factory] }\n", "");

/// A case: its name, and what replaces what in [`LOBBY`].
#[rustfmt::skip]
const LOBBY_CASES: &[Case] = &[
    ("unknown-region", &[("into: eu-west", "into: eu-wst")]),
    ("unknown-region_lobby", &[("lobby: { regions: [us-east]", "lobby: { regions: [mars]")]),
    ("unknown-region_none", &[("  regions: [us-east, eu-west]\n", ""), ("residency: { tenants: [acme-us, acme-eu] }", "audit: { tenants: [acme-us] }"), ("[A3, A5]", "[A5]")]),
    ("unknown-authority", &[("issued_by: rogue", "issued_by: rouge")]),
    ("unknown-tenant_none", &[("tenant: acme-eu, by", "tenant: none, by")]),
    ("unknown-user_people", &[("by: mallory@example.test", "by: eve@example.test")]),
    ("name-taken_region", &[("regions: [us-east, eu-west]", "regions: [us-east, eu-west, us-east]")]),
    ("name-taken_authority", &[("[factory, rogue]", "[factory, rogue, eu-west]")]),
    ("bad-name_region", &[("regions: [us-east, eu-west]", "regions: [us-east, eu-west, EU_South]")]),
    ("missing-key_lobby_trusts", &[("lobby: { regions: [us-east], trusts: [factory] }", "lobby: { regions: [us-east] }")]),
    ("no-lobby", &[NO_LOBBY]),
    ("no-lobby_in_step", &[NO_LOBBY, (", lobby_trust: withheld", ""), ("sensors: { tenant: none", "sensors: { tenant: acme-us"), ("foreign: { tenant: none", "foreign: { tenant: acme-us"), ("  - expect: { within: 20s, in_lobby: { devices: [sensors] } }\n", "")]),
    ("no-lobby_claim", &[NO_LOBBY, (", lobby_trust: withheld", ""), ("sensors: { tenant: none", "sensors: { tenant: acme-us"), ("foreign: { tenant: none", "foreign: { tenant: acme-us")]),
    ("not-spoken_lobby", &[("hvac: { tenant: acme-us", "hvac: { tenant: none")]),
    ("not-spoken_identity", &[("speaks: mender, runs: \"1.0\"", "speaks: mender, runs: \"1.0\", identity: { issued_by: factory }")]),
    ("unknown-word_defect", &[("defect: same_name", "defect: same-name")]),
    ("unknown-word_lobby_trust", &[("lobby_trust: withheld", "lobby_trust: none")]),
    ("unknown-key_key", &[("issued_by: factory }", "issued_by: factory, key: ed25519 }")]),
    ("missing-key_like_of_defect", &[("same_name, like: sensors", "same_name")]),
    ("missing-key_defect", &[("defect: same_name, like: sensors", "like: sensors")]),
    ("missing-key_defect_other", &[("defect: same_name, like: sensors", "defect: expired, like: sensors")]),
    ("not-alike", &[("like: sensors", "like: foreign")]),
    ("not-alike_selection", &[("like: sensors", "like: half")]),
    ("not-alike_mender", &[("like: sensors", "like: hvac")]),
    ("not-alike_fewer", &[("foreign: { tenant: none, simulated: 5", "foreign: { tenant: none, simulated: 21")]),
    ("unknown-devices_like", &[("like: sensors", "like: censors")]),
    ("mixed-group_nobody", &[("share: 50%", "share: 50%, group: true")]),
    ("no-owner", &[("knock: { devices: [sensors]", "enroll: { devices: [half]")]),
    ("missing-key_tenant", &[("claim: { devices: [sensors], tenant: acme-us }", "claim: { devices: [sensors] }")]),
    ("missing-key_tenant_migrate", &[("migrate: { devices: [sensors], tenant: acme-eu }", "migrate: { devices: [sensors] }")]),
    ("missing-key_into", &[(", into: eu-west", "")]),
    ("missing-key_among", &[(", among: [acme-us, acme-eu]", "")]),
    ("too-few_among", &[("among: [acme-us, acme-eu]", "among: [acme-us]")]),
    ("nothing-moves", &[("into: eu-west", "into: us-east")]),
    ("never-refused", &[("claim: { devices: [sensors], tenant: acme-us }", "claim: { devices: [sensors], tenant: acme-us, refused: untrusted }")]),
    ("never-true_in_lobby", &[("in_lobby: { devices: [sensors] }", "in_lobby: { devices: [sensors, pumps] }")]),
    ("no-evidence_residency", &[("regions: [us-east, eu-west]", "regions: [us-east]"), ("regions: [eu-west]", "regions: [us-east]"), ("  - evacuate: { region: us-east, into: eu-west }\n", "")]),
    ("missing-deadline_bound", &[("      within: 60s\n", "")]),
    ("no-control_migrate", &[("migrate: { devices: [sensors], tenant: acme-eu }", "migrate: { devices: [sensors], tenant: acme-eu, by: ada@acme.test, refused: unseen }")]),
    ("unjudged_evacuate", &[("into: eu-west }", "into: eu-west, may_fail: true }"), ("owned_once: { devices: [sensors], among: [acme-us, acme-eu] }", "audit: { tenants: [acme-eu] }"), ("      residency: { tenants: [acme-us, acme-eu] }\n", ""), ("[A3, A5]", "[A5]"), ("[us-east], admin", "[us-east, eu-west], admin")]),
    ("suspended-before_moved", &[("  - release: { devices: [half]", "  - suspend: { tenants: [acme-eu] }\n  - release: { devices: [sensors]")]),
    ("covers-nothing_residency", &[("      residency: { tenants: [acme-us, acme-eu] }\n", "")]),
];

/// A fragment that [`USER`] uses, without a mistake.
const FRAGMENT: &str = r#"fragment: A fleet that is enrolled, and updated once
takes: { fleet: device, artifact: artifact, patience: duration }
steps:
  - enroll: { devices: ["{{ fleet }}"] }
  - deploy: { artifact: "{{ artifact }}", devices: ["{{ fleet }}"], name: rollout }
  - expect:
      within: "{{ patience }}"
      updated: { devices: ["{{ fleet }}"], version: "2.0" }
"#;

/// What uses it.
const USER: &str = r#"scenario: Two fleets
platform:
  tenants:
    acme: { device_limit: 300, admin: ada@acme.test }
artifacts:
  v2: { version: "2.0", size: 64 KiB }
devices:
  hvac:  { tenant: acme, simulated: 25, speaks: mender, runs: "1.0" }
  lifts: { tenant: acme, simulated: 40, speaks: mender, runs: "1.0" }
steps:
  - use: { fragment: updated.fragment.yaml, with: { fleet: hvac, artifact: v2, patience: 60s } }
  - use: { fragment: updated.fragment.yaml, with: { fleet: lifts, artifact: v2, patience: 90s } }
"#;

/// A case: its name, and what replaces what in the scenario or in the fragment, wherever it stands first.
#[rustfmt::skip]
const FRAGMENT_CASES: &[Case] = &[
    ("unknown-devices_given", &[("fleet: hvac", "fleet: havc")]),
    ("unknown-devices_in_fragment", &[("- enroll: { devices: [\"{{ fleet }}\"] }", "- enroll: { devices: [hvac] }")]),
    ("unknown-variable_in_fragment", &[("- enroll: { devices: [\"{{ fleet }}\"] }", "- enroll: { devices: [\"{{ fleets }}\"] }")]),
    ("unknown-key_parameter", &[("fleet: hvac,", "fleet: hvac, flet: hvac,")]),
    ("unknown-key_in_fragment", &[("name: rollout", "name: rollout, colour: red")]),
    ("missing-key_parameter", &[(", patience: 60s", "")]),
    ("no-unit_parameter", &[("patience: 60s", "patience: 60")]),
    ("wrong-shape_takes", &[("takes: { fleet: device,", "takes: { fleet: [device],")]),
    ("unknown-word_takes", &[("takes: { fleet: device,", "takes: { fleet: devices,")]),
    ("nested-fragment", &[("  - enroll: {", "  - use: { fragment: other.fragment.yaml, with: { fleet: \"{{ fleet }}\" } }\n  - enroll: {")]),
    ("unknown-artifact_filled_in", &[("takes: { fleet: device, artifact: artifact", "takes: { fleet: device, artifact: text"), ("fleet: hvac, artifact: v2", "fleet: hvac, artifact: v9")]),
    ("limit-exceeded_in_fragment", &[("device_limit: 300", "device_limit: 30")]),
    ("unknown-deployment_of_fragment", &[("patience: 90s } }\n", "patience: 90s } }\n  - abort: { deployment: rollout }\n")]),
    ("no-kind_fragment", &[("fragment: A fleet that is enrolled, and updated once\n", "about: nothing\n")]),
    ("not-yaml_fragment", &[("\"2.0\" }\n", "\"2.0\n")]),
];

fn shown_with_fragment(case: &Case) -> (String, BTreeSet<String>) {
    let (mut user, mut fragment) = (USER.to_owned(), FRAGMENT.to_owned());
    for (old, new) in case.1 {
        let spoilt = if user.contains(old) && !old.starts_with("\"2.0") { &mut user } else { &mut fragment };
        assert!(spoilt.contains(old), "{}: `{old}` is not there to be replaced", case.0);
        *spoilt = spoilt.replacen(old, new, 1);
    }
    let mut sources = Sources::new();
    let file = sources.add("fleets/two.yaml", user);
    for (used, path) in fragments(&sources, file) {
        assert_eq!(path, "fleets/updated.fragment.yaml");
        sources.add_fragment(&path, fragment.clone().into_bytes(), used);
    }
    let (_, mistakes) = check(&sources, &[file]);
    let codes = mistakes.iter().map(|mistake| mistake.code.trim_start_matches("scenario::").to_owned()).collect();
    let texts: Vec<String> = mistakes.iter().map(|mistake| mistake.render(&sources)).collect();
    (texts.join("\n\n"), codes)
}

#[test]
fn a_fragment_that_is_right_is_used_twice() {
    assert_eq!(shown_with_fragment(&("right", &[])).0, "");
}

/// The file with this text, and what is shown about it.
fn shown(files: &[(&str, Vec<u8>)]) -> (String, BTreeSet<String>) {
    let mut sources = Sources::new();
    let ids: Vec<_> = files.iter().map(|(path, bytes)| sources.add_bytes(path, bytes.clone())).collect();
    let (_, mistakes) = check(&sources, &ids);
    let codes = mistakes.iter().map(|mistake| mistake.code.trim_start_matches("scenario::").to_owned()).collect();
    let texts: Vec<String> = mistakes.iter().map(|mistake| mistake.render(&sources)).collect();
    (texts.join("\n\n"), codes)
}

fn spoilt(case: &Case) -> String {
    spoilt_of(RIGHT, case)
}

fn spoilt_of(right: &str, case: &Case) -> String {
    let mut text = right.to_owned();
    for (old, new) in case.1 {
        assert!(text.contains(old), "{}: `{old}` is not there to be replaced", case.0);
        text = text.replacen(old, new, 1);
    }
    text
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = text.replace(concat!("fleetproof ", env!("CARGO_PKG_VERSION")), "fleetproof [version]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_right_one_has_no_mistakes() {
    assert_eq!(shown(&[("right.yaml", RIGHT.into())]).0, "");
    assert_eq!(shown(&[("right.yaml", LOBBY.into())]).0, "");
}

#[test]
fn each_mistake_looks_like_this() {
    let (mut codes, mut wrong) = (BTreeSet::new(), Vec::new());
    let lobby = LOBBY_CASES.iter().map(|case| (case, spoilt_of(LOBBY, case)));
    for (case, text) in CASES.iter().map(|case| (case, spoilt(case))).chain(lobby) {
        let (text, found) = shown(&[("first.yaml", text.into())]);
        let code = case.0.split('_').next().unwrap();
        if !found.contains(code) {
            wrong.push(format!("{}: no {code} in\n{text}", case.0));
        }
        codes.extend(found);
        snapshot(case.0, &text);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let strange: [(&str, Vec<u8>); 5] = [
        ("no-kind_empty", Vec::new()),
        ("not-yaml_not_utf8", b"scenario: caf\xe9\nsteps: []\n".to_vec()),
        ("too-large", vec![b'#'; 2 << 20]),
        ("too-deep", [&b"scenario: x\nsteps: "[..], &[b'['; 100]].concat()),
        ("too-many", format!("scenario: x\ndevices: {{{}}}", "a-: {}, B: {}, ".repeat(200)).into()),
    ];
    for (name, bytes) in strange {
        let (text, found) = shown(&[("strange.yaml", bytes)]);
        let code = name.split('_').next().unwrap();
        assert!(found.contains(code), "{name}: no {code} in\n{text}");
        codes.extend(found);
        let end = text.char_indices().nth(1500).map_or(text.len(), |(at, _)| at);
        snapshot(name, &text[..end]);
    }
    for case in FRAGMENT_CASES {
        let (text, found) = shown_with_fragment(case);
        let code = case.0.split('_').next().unwrap();
        assert!(found.contains(code), "{}: no {code} in\n{text}", case.0);
        codes.extend(found);
        snapshot(case.0, &text);
    }
    let missing: Vec<&str> = CODES.iter().map(|(code, _)| *code).filter(|code| !codes.contains(*code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn five_broken_files_report_all_their_mistakes() {
    let names = ["unknown-tenant", "no-unit", "not-yaml_open_list", "missing-deadline", "two-verbs"];
    let files: Vec<(&str, Vec<u8>)> =
        names.iter().map(|name| (*name, spoilt(CASES.iter().find(|case| case.0 == *name).unwrap()).into())).collect();
    let (text, _) = shown(&files);
    snapshot("five_files", &text);
}

#[test]
fn one_file_reports_all_its_mistakes() {
    let names = [
        "unknown-tenant",
        "unknown-row",
        "version-not-text",
        "no-unit",
        "unknown-artifact",
        "listed-twice",
        "pool-exceeded",
    ];
    let mut text = RIGHT.to_owned();
    for name in names {
        for (old, new) in CASES.iter().find(|case| case.0 == name).unwrap().1 {
            text = text.replacen(old, new, 1);
        }
    }
    let (text, codes) = shown(&[("many.yaml", text.into())]);
    assert!(names.iter().all(|name| codes.contains(*name)), "{text}");
}

#[test]
fn a_name_of_a_scenario_is_unique_among_files() {
    let (text, _) = shown(&[("first.yaml", RIGHT.into()), ("second.yaml", RIGHT.into())]);
    snapshot("name-taken_scenario", &text);
}

#[test]
fn a_secret_is_shown_nowhere() {
    let secret = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl";
    for place in ["scenario: A bad", "tenant: acme, ", "artifact: v2", "within: 60s", "P8"] {
        let text = RIGHT.replacen(place, &format!("{} {secret}", &place[..place.len() - 1]), 1);
        let (text, codes) = shown(&[("secret.yaml", text.into())]);
        assert!(codes.contains("secret-in-file"), "{place}: {text}");
        assert!(!text.contains(&secret[..20]), "{text}");
    }
}
