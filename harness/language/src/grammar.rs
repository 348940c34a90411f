//! The grammar: which keys a block has and what shape each value takes. The macros here make a type of the
//! language and its grammar from one definition; reading, the JSON Schema and the reference all follow it.

use crate::reader::{Entries, Reader};
use crate::step::Step;

/// The keys of a place in the file.
#[derive(Debug)]
pub(crate) struct Block {
    /// Its name in the schema.
    pub(crate) name: &'static str,
    /// What it is for: lines of a doc comment.
    pub(crate) about: &'static [&'static str],
    pub(crate) keys: &'static [Key],
    /// What can be read of it is kept when something in it cannot.
    pub(crate) partly: bool,
    /// The keys of this block stand beside its own.
    pub(crate) also: Option<&'static Block>,
}

impl Block {
    /// Own keys, then those beside them.
    pub(crate) fn all_keys(&self) -> impl Iterator<Item = &'static Key> + Clone {
        self.keys.iter().chain(self.also.map_or(&[][..], |also| also.keys))
    }

    pub(crate) fn key(&self, word: &str) -> Option<&'static Key> {
        self.all_keys().find(|key| key.word == word)
    }
}

/// A key and what its value may be.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) word: &'static str,
    pub(crate) about: &'static [&'static str],
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
}

/// Whether a key may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It may not; with an example for whoever left it out.
    Required(&'static str),
    /// It may, and stands for this when it is.
    Default(&'static str),
    /// It may, and means nothing then.
    Optional,
}

/// A place has exactly one shape.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Text,
    /// Text in quotes.
    Version,
    /// A number without unit, from and to.
    Number(u32, u32),
    /// At least so many milliseconds.
    Duration(u64),
    Size,
    Share,
    /// Bytes per second.
    Bandwidth,
    /// So many in a time.
    Rate,
    /// So many times as much (in the types: thousandths).
    Ratio,
    YesNo,
    Word(&'static Words),
    /// A new name.
    Declares(Named),
    /// A name that is declared elsewhere.
    Refers(Refers),
    /// At least so many of a shape.
    List(&'static Shape, usize),
    Block(&'static Block),
    /// Keys are names that the author gives.
    Table(Named, &'static Block),
    /// Text with what is known only while running in it.
    Live,
    /// One value of any kind, as it is written.
    Scalar,
    /// Data of any shape.
    Json,
    /// A JSON path.
    JsonPath,
    /// Keys are names that the author gives, all values have one shape.
    Map(Named, &'static Shape),
    /// A block of which exactly one key is written.
    Choice(&'static Block),
    /// A list of steps, one at least. What is declared in a `closed` one is known inside only.
    Steps {
        closed: bool,
    },
    /// A list of two or more lists of steps, between which there is no order.
    Branches,
}

impl Shape {
    /// The shape of each item, and how many there are at least, if this is a list.
    pub(crate) const fn as_list(&self) -> Option<(Self, usize)> {
        match self {
            Self::List(item, least) => Some((**item, *least)),
            Self::Steps { .. } => Some((Self::Choice(Step::BLOCK), 1)),
            Self::Branches => Some((Self::Steps { closed: false }, 2)),
            _ => None,
        }
    }
}

/// The words that a place takes.
#[derive(Debug)]
pub(crate) struct Words {
    /// "… is not {a way to misbehave}".
    pub(crate) one: &'static str,
    /// The diagnostic's code.
    pub(crate) code: &'static str,
    pub(crate) words: &'static [&'static str],
    /// What each means; empty where its name says it.
    pub(crate) about: &'static [&'static str],
}

/// What a name can be declared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Scenario,
    Tenant,
    User,
    Region,
    /// An authority that signs what devices show.
    Authority,
    Artifact,
    Devices,
    Selection,
    Deployment,
    Tag,
    /// A variable of `vars`.
    Variable,
    /// An axis of `matrix`.
    Axis,
    /// A parameter of a fragment.
    Parameter,
    /// A part of an answer that is saved.
    Saved,
    /// A header of a request.
    Header,
    /// A part of an answer.
    JsonPath,
    /// What was measured.
    Measure,
    /// What was subscribed to.
    Subscription,
}

/// What a name can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refers {
    Tenant,
    TenantOrProvider,
    /// A tenant, or nobody.
    TenantOrNone,
    Region,
    Authority,
    User,
    Artifact,
    /// Device groups and selections.
    Devices,
    /// One device group.
    Group,
    /// Selections that are groups on the platform.
    Groups,
    Deployment,
    Tag,
    /// A part of an answer that an earlier step saved.
    Saved,
    /// Device groups, selections, tenants, `platform`.
    End,
    /// What an earlier step measured.
    Measure,
    /// What an earlier step subscribed to.
    Subscription,
}

/// A type of the language that is a block in the file.
pub(crate) trait Form: Sized {
    const BLOCK: &'static Block;

    /// Reads every key, whatever is wrong with the others. `None`: something was, and is reported.
    fn read(entries: &Entries<'_>, reader: &mut Reader<'_>) -> Option<Self>;
}

/// A key as it is written: `for` is a word of Rust too, and `r#for` there.
pub(crate) const fn written(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Defines a struct that is a block: its fields are its keys. `with outcome: Outcome` puts the keys of another
/// block beside them; `, partly` keeps the rest of a block of which something could not be read.
macro_rules! block {
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:ident),+)])?
        pub struct $name:ident $(with $flat:ident: $flat_type:ident)? $(, $partly:ident)? {
            $(
                $(#[doc = $doc:literal])+
                pub $field:ident: $type:ty = $shape:expr, $presence:expr;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq $($(, $derive)+)?)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                pub $field: $type,
            )*
            $(
                /// What is due.
                pub $flat: $flat_type,
            )?
        }

        impl $crate::grammar::Form for $name {
            const BLOCK: &'static $crate::grammar::Block = &$crate::grammar::Block {
                name: stringify!($name),
                about: &[$($about),+],
                keys: &[$($crate::grammar::Key {
                    word: $crate::grammar::written(stringify!($field)),
                    about: &[$($doc),+],
                    shape: $shape,
                    presence: $presence,
                }),*],
                partly: $crate::grammar::given!($($partly)?),
                also: $crate::grammar::first!($(Some(<$flat_type as $crate::grammar::Form>::BLOCK))? None),
            };

            fn read(
                entries: &$crate::reader::Entries<'_>,
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Option<Self> {
                $(let $field = entries.field::<$type>(reader, $crate::grammar::written(stringify!($field)));)*
                $(let $flat = <$flat_type as $crate::grammar::Form>::read(entries, reader);)?
                Some(Self { $($field: $field?,)* $($flat: $flat?,)? })
            }
        }

        impl $crate::reader::Content for $name {
            fn read(
                node: &$crate::tree::Node,
                at: &$crate::reader::At<'_>,
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Option<Self> {
                let entries = reader.entries(node, at, <Self as $crate::grammar::Form>::BLOCK)?;
                <Self as $crate::grammar::Form>::read(&entries, reader)
            }
        }
    };
}

/// Whether anything is given.
macro_rules! given {
    ($given:ident) => {
        true
    };
    () => {
        false
    };
}

/// The first of one or two expressions.
macro_rules! first {
    (Some($first:expr) None) => {
        Some($first)
    };
    (None) => {
        None
    };
}

/// Defines an enum of fixed words.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident, $code:literal, $one:literal {
        $($variant:ident = $word:literal $(: $about:literal)?),* $(,)?
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("`", $word, "`", $(": ", $about, ".")?)]
                $variant,
            )*
        }

        impl $name {
            /// All words, in the order of the language's page.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub(crate) const WORDS: &$crate::grammar::Words =
                &$crate::grammar::Words { one: $one, code: $code, words: &[$($word),*], about: &[$(concat!($($about)?)),*] };

            /// The word as it is written in a file.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The value that `word` stands for.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl $crate::reader::Content for $name {
            fn read(
                node: &$crate::tree::Node,
                at: &$crate::reader::At<'_>,
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Option<Self> {
                Self::from_word(&reader.word(node, at)?)
            }
        }
    };
}

pub(crate) use {block, first, given, words};
