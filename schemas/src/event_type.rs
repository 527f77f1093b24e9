use std::fmt;

use depot_domain::{DECLARED, Declaration, EventName};

/// What an event is about; each entity has a topic of its own with one writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// Written by command-api, keyed by item id.
    Items,
    /// Written by command-api, keyed by upload id.
    Uploads,
    /// Written by the uploader, keyed by upload id, with versions of its own.
    Files,
    /// Written by command-api, keyed by the aggregate's id.
    Declared(&'static Declaration),
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident, $entity:ident, $name:literal;)*) => {
        /// Every type of event that is written, with its major version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant,)*
            /// Of a declared aggregate.
            Declared(&'static Declaration, EventName),
        }

        impl EventType {
            /// But those of declared aggregates.
            pub const ALL: &'static [EventType] = &[$(EventType::$variant,)*];

            /// The `ce_type`, for example `depot.item.created.v1`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("depot.", $name, ".v1"),)* Self::Declared(_, event) => event.name }
            }

            /// The `ce_dataschema`: the path of the schema in this repository.
            pub fn schema(self) -> &'static str {
                match self { $(Self::$variant => concat!("/schemas/events/", $name, ".v1.json"),)* Self::Declared(_, event) => event.schema }
            }

            pub fn entity(self) -> Entity {
                match self { $(Self::$variant => Entity::$entity,)* Self::Declared(of, _) => Entity::Declared(of) }
            }
        }
    };
}

event_types! {
    ItemCreated, Items, "item.created";
    /// Content replaced or patched.
    ItemUpdated, Items, "item.updated";
    /// The saga attached a stored file.
    ItemFileAttached, Items, "item.file_attached";
    ItemDeleted, Items, "item.deleted";
    /// The item as it is, told once more: after the log was lost, or the database set back. Nothing changed with it. In a
    /// version 1 that is deleted it is of an item which the state does not know, because the database was set back.
    ItemSnapshot, Items, "item.snapshot";
    /// Quota is reserved, the client may send the bytes.
    UploadRequested, Uploads, "upload.requested";
    /// The client says that the bytes are there: verify and store them.
    UploadReceived, Uploads, "upload.received";
    /// Outcome: stored and attached.
    UploadStored, Uploads, "upload.stored";
    /// Outcome: not accepted.
    UploadRejected, Uploads, "upload.rejected";
    /// Outcome: never completed in time. Whatever arrives later is not stored.
    UploadExpired, Uploads, "upload.expired";
    /// Outcome: given up. Whatever arrives later is not stored.
    UploadAborted, Uploads, "upload.aborted";
    /// Outcome: was stored, and went with its item.
    UploadRemoved, Uploads, "upload.removed";
    /// The uploader is asked to let go of the file; the outcome stands.
    FileRemovalRequested, Uploads, "upload.removal_requested";
    /// The upload as it is, told once more. It asks nobody for anything.
    UploadSnapshot, Uploads, "upload.snapshot";
    FileStored, Files, "file.stored";
    FileRejected, Files, "file.rejected";
    /// The upload has no file in the object store any more.
    FileRemoved, Files, "file.removed";
}

impl EventType {
    /// The type of that name, none if it is not known here.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|event_type| event_type.name() == name)
    }

    /// All, those of declared aggregates too.
    pub fn all() -> impl Iterator<Item = Self> {
        let declared = DECLARED.iter().flat_map(Self::of_declared);
        Self::ALL.iter().copied().chain(declared)
    }

    /// Those of a declared aggregate.
    pub fn of_declared(declaration: &'static Declaration) -> impl Iterator<Item = Self> {
        let events = declaration.events().into_iter();
        events.map(move |event| Self::Declared(declaration, event))
    }

    /// Whether it tells a state once more, in a version that another event may have told.
    pub fn is_snapshot(self) -> bool {
        matches!(self, Self::ItemSnapshot | Self::UploadSnapshot)
    }

    /// The schema's file name under `schemas/events/`.
    pub fn schema_file(self) -> &'static str {
        self.schema().trim_start_matches("/schemas/events/")
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
