//! H9: what the tools do with an audit log.

use crate::isolation::{Compiler, Draft, long_page};
use crate::model::{Control, Family, Fill, Oracle, Tamper};
use crate::tools;

/// Methods with which entries might be written or removed.
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

impl Compiler<'_> {
    /// H9: the log is for reading, keeps no secret, and cannot be made to say more than happened.
    pub(crate) fn logs(&mut self) {
        if self.surface.family != Family::Audit {
            return;
        }
        self.audit_alter();
        let identity = self.mightiest();
        if !self.surface.does.only_looks() || !self.may(&identity) {
            return;
        }
        let paged = self.surface.parameters.iter().any(|name| name == "per_page");
        let page: Vec<Tamper> = paged.then(long_page).into_iter().collect();
        let served = Oracle::Status(self.surface.ok.clone());
        for (tool, tamper, oracle) in [
            (tools::LOGGED_SECRET, Tamper::Secrets, Oracle::NoSecret),
            (tools::LOG_INJECTION, Tamper::Injected, Oracle::OneEntry),
        ] {
            self.push(Draft {
                tool,
                variant: "",
                identity: identity.clone(),
                attacked: &[],
                fill: Fill::Own,
                tamper: [tamper].into_iter().chain(page.clone()).collect(),
                control: Control::Itself,
                oracles: vec![served.clone(), oracle, Oracle::NoCanary],
            });
        }
    }

    fn audit_alter(&mut self) {
        let declared = self.methods.get(self.surface.path.as_str()).cloned().unwrap_or_default();
        if declared.first() != Some(&self.surface.method.as_str()) {
            return;
        }
        for method in METHODS.iter().filter(|method| !declared.contains(**method)) {
            self.push(Draft {
                tool: tools::AUDIT_ALTER,
                variant: method,
                identity: self.mightiest(),
                attacked: &[],
                fill: Fill::Own,
                tamper: vec![Tamper::Method((*method).to_owned())],
                control: Control::Victim,
                oracles: vec![Oracle::NoSuccess, Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }
}
