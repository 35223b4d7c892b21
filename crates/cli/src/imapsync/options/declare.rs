//! The one form in which options are declared.

/// Declares a group of options: a constant for each, and one for the group.
macro_rules! options {
    ($group:ident = $title:literal;
     $($id:ident $name:literal $(| $alias:literal)* : $kind:expr, $side:ident, $priority:ident,
       $support:expr; $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Declaration = Declaration {
                name: $name,
                aliases: &[$($alias),*],
                kind: $kind,
                side: Side::$side,
                priority: Priority::$priority,
                support: $support,
                help: $help,
            };
        )*
        #[doc = concat!("The options of the group `", $title, "`.")]
        pub const $group: Group = Group { title: $title, options: &[$($id),*] };
    };
}

/// Read, without effect in this version.
pub(super) const LATER: super::Support = super::Support::AcceptedWithNotice("not in this version");
