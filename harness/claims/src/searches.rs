//! H6 and H8: what the tools do with lists, searches and names.

use crate::isolation::{Compiler, Draft};
use crate::model::{BodyTemplate, Control, Does, Fill, Kind, Oracle, Place, Tamper};
use crate::tools;

/// Terms that match whatever is there, as a search's body has them.
const TERMS: [(&str, &str); 6] = [
    ("not-equal", r#"[{"scope":"identity","attribute":"status","type":"$ne","value":"none"}]"#),
    ("in-none-of", r#"[{"scope":"identity","attribute":"status","type":"$nin","value":["none"]}]"#),
    ("pattern", r#"[{"scope":"identity","attribute":"status","type":"$regex","value":".*"}]"#),
    ("exists", r#"[{"scope":"identity","attribute":"status","type":"$exists","value":true}]"#),
    ("greater", r#"[{"scope":"identity","attribute":"status","type":"$gt","value":""}]"#),
    ("tenant", r#"[{"scope":"system","attribute":"tenant_id","type":"$ne","value":"none"}]"#),
];
/// Fields beside the terms that stretch or reorder what is found.
const BESIDE: [(&str, &str, &str); 3] = [
    ("sort-by-tenant", "sort", r#"[{"scope":"system","attribute":"tenant_id","order":"asc"}]"#),
    ("text", "text", r#""a""#),
    ("page-of-minus-one", "per_page", "-1"),
];

impl Compiler<'_> {
    /// H6: searches by terms that match everything.
    pub(crate) fn search_terms(&mut self) {
        let filters = self.surface.slots.iter().any(|slot| slot.place == Place::Filter);
        let identity = self.mightiest();
        if self.surface.does != Does::Search || !filters || !self.may(&identity) {
            return;
        }
        let field = |name: &str, value: &str| Tamper::Field { name: name.to_owned(), value: value.to_owned() };
        let terms =
            TERMS.into_iter().map(|(word, terms)| (word, vec![field("filters", terms), field("per_page", "500")]));
        let beside =
            BESIDE.into_iter().map(|(word, name, value)| (word, vec![field("per_page", "500"), field(name, value)]));
        for (word, mut tamper) in terms.chain(beside) {
            // Among all devices, not among those that the smallest body names.
            tamper.push(field("device_ids", "[]"));
            self.push(Draft {
                tool: tools::SEARCH_TERMS,
                variant: word,
                identity: identity.clone(),
                attacked: &[],
                fill: Fill::Own,
                tamper,
                control: self.rightful(),
                oracles: vec![Oracle::SameTotal, Oracle::NoCanary],
            });
        }
    }

    /// H8: a name that the victim has given to something of that kind is free.
    pub(crate) fn taken_names(&mut self) {
        let identity = self.mightiest();
        let surface = self.surface;
        let is_named = matches!(&surface.body, Some(BodyTemplate::Json(body)) if body.get("name").is_some_and(|name| name == "$name"));
        let by_slot = surface.slots.iter().any(|slot| slot.place == Place::Body && slot.name == "name");
        if surface.does != Does::Create
            || !is_named
            || by_slot
            || !self.may(&identity)
            || surface.object == Kind::Tenant
        {
            return;
        }
        self.push(Draft {
            tool: tools::TAKEN_NAME,
            variant: "",
            identity,
            attacked: &[],
            fill: Fill::Own,
            tamper: vec![Tamper::NamedAlike],
            control: Control::Actor,
            oracles: vec![Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary],
        });
    }
}
