//! What is left out, and why: one line of `exemptions.tsv` each.

/// A line of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// The operation.
    pub operation: &'static str,
    /// The tool, or `*` for all.
    pub tool: &'static str,
    /// From where: `provider` (a tenant that has children) or `*`.
    pub from: &'static str,
    /// The reason, as the report prints it.
    pub reason: &'static str,
}

/// All of them, in the file's order.
#[must_use]
pub fn exemptions() -> Vec<Exemption> {
    include_str!("exemptions.tsv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split('\t');
            Some(Exemption {
                operation: cells.next()?,
                tool: cells.next()?,
                from: cells.next()?,
                reason: cells.next()?,
            })
        })
        .collect()
}

/// Why this tool is not used on this operation, if that is so.
pub(crate) fn exempt(list: &[Exemption], operation: &str, tool: &str, provider: bool) -> Option<&'static str> {
    list.iter()
        .find(|e| {
            e.operation == operation
                && (e.tool == "*" || e.tool == tool)
                && (e.from == "*" || (e.from == "provider" && provider))
        })
        .map(|e| e.reason)
}
