//! H5: what the tools do with an operation that gives signed links.

use crate::isolation::{Compiler, Draft, attackable};
use crate::model::{Control, Fill, Identity, LinkBend, LinkUse, Oracle, Slot, Tamper};
use crate::tools;

impl Compiler<'_> {
    /// H5: own links, bent towards the victim's file; the victim's links, used otherwise than for what they are.
    pub(crate) fn links(&mut self) {
        let surface = self.surface;
        let slots: Vec<&Slot> = surface.slots.iter().filter(|slot| attackable(slot)).collect();
        for bend in LinkBend::ALL {
            self.push(Draft {
                tool: tools::SIGNED_LINK,
                variant: bend.word(),
                identity: Identity::Nobody,
                attacked: &slots,
                fill: Fill::Victims,
                tamper: vec![Tamper::Link(bend)],
                control: Control::Victim,
                oracles: vec![Oracle::NoSuccess, Oracle::Unchanged, Oracle::NoCanary],
            });
        }
        for used in LinkUse::ALL {
            let (tool, oracles) = match used {
                LinkUse::Put | LinkUse::Delete => {
                    (tools::LINK_METHOD, vec![Oracle::NoSuccess, Oracle::Unchanged, Oracle::NoCanary])
                }
                LinkUse::Removed => (tools::STALE_LINK, vec![Oracle::NoSuccess, Oracle::NoCanary]),
                LinkUse::Ended if self.options.patience.is_zero() => continue,
                LinkUse::Ended => (tools::STALE_LINK, vec![Oracle::NoSuccess, Oracle::NoCanary]),
            };
            self.push(Draft {
                tool,
                variant: used.word(),
                identity: Identity::Nobody,
                attacked: &slots,
                fill: Fill::Victims,
                tamper: vec![Tamper::LinkUse(used)],
                control: Control::Victim,
                oracles,
            });
        }
    }
}
