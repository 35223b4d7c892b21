//! Which folders take part and what they are called on host2.

use super::Default::{Off, On};
use super::Kind::{Flag, List, Pairs, Switch, Text};
use super::Support::{AcceptedWithNotice, Works};
use super::declare::LATER;
use super::{Declaration, Group, Priority, Side};

options! { FOLDER_CHOICE = "Which folders";
    FOLDER "folder": List("NAME"), One, A, Works;
        "this folder; repeat for more";
    FOLDERREC "folderrec": List("NAME"), One, A, Works;
        "this folder and all below it; repeat for more";
    SUBSCRIBED "subscribed": Flag, One, B, Works;
        "the folders subscribed on host1";
    INCLUDE "include": List("PATTERN"), One, A, Works;
        "also the folders whose name matches";
    EXCLUDE "exclude": List("PATTERN"), One, A, Works;
        "not the folders whose name matches; has the last word";
    NOEXCLUDE "noexclude": Flag, Run, C, Works;
        "let --office1 leave out nothing of its own";
    FOLDERFIRST "folderfirst": List("NAME"), One, B, Works;
        "take this folder before the others";
    FOLDERLAST "folderlast": List("NAME"), One, B, Works;
        "take this folder after the others";
    SKIPEMPTYFOLDERS "skipemptyfolders": Switch(Off), One, B, Works;
        "leave out folders without messages";
    SUBFOLDER1 "subfolder1": Text("NAME"), One, A, Works;
        "only what is below this folder of host1, moved to the top on host2";
    CHECKSELECTABLE "checkselectable": Switch(On), One, C, Works;
        "leave out folders that cannot be opened";
    CHECKFOLDERSEXIST "checkfoldersexist": Switch(On), One, B, Works;
        "leave out named folders that host1 does not have";
}

options! { FOLDER_NAMES = "Names on host2";
    AUTOMAP "automap": Switch(Off), Both, A, Works;
        "pair Sent, Drafts, Junk and the like by what they are for";
    F1F2 "f1f2": List("NAME1=NAME2"), Both, A, Works;
        "folder NAME1 goes to NAME2, before any other rule; repeat for more";
    NOF1F2 "nof1f2": Flag, Run, C, Works;
        "let --office2 rename nothing of its own";
    F1F2H "f1f2h": Pairs("NAME1=NAME2"), Both, C,
        AcceptedWithNotice("it has no effect in imapsync either; use `--f1f2`");
        "another form of --f1f2";
    SUBFOLDER2 "subfolder2": Text("NAME"), Two, A, Works;
        "put everything below this folder of host2";
    PREFIX1 "prefix1": Text("PREFIX"), One, A, Works;
        "prefix taken off the names of host1; the server tells it";
    PREFIX2 "prefix2": Text("PREFIX"), Two, A, Works;
        "prefix put before the names on host2; the server tells it";
    SEP1 "sep1": Text("CHARACTER"), One, B, Works;
        "what separates levels on host1; the server tells it";
    SEP2 "sep2": Text("CHARACTER"), Two, B, Works;
        "what separates levels on host2; the server tells it";
    FIXSLASH2 "fixslash2": Switch(On), Two, B, Works;
        "turn a / inside a name into _ where host1 separates levels by /";
    FIXINBOXINBOX "fixInboxINBOX": Switch(On), Two, C, LATER;
        "pair INBOX and Inbox where the servers spell it differently";
    REGEXTRANS2 "regextrans2": List("CODE"), Two, A, Works;
        "rewrite the names on host2 by Perl s/// or tr///";
    MIXFOLDERS "mixfolders": Switch(On), Two, B, Works;
        "use a folder of host2 that exists and is not listed, since its name differs in case";
}

options! { FOLDER_TARGET = "Folders on host2";
    SUBSCRIBE "subscribe": Switch(On), Two, A, Works;
        "subscribe on host2 what is subscribed on host1";
    SUBSCRIBEALL "subscribeall" | "subscribe_all": Switch(Off), Two, A, Works;
        "subscribe on host2 every folder that takes part";
    CREATE_FOLDER_OLD "create_folder_old": Switch(Off), Two, C, LATER;
        "create a folder without creating its parents first";
    SYNCACLS "syncacls": Switch(Off), Both, C, LATER;
        "copy the access rights of each folder";
    SYNCLABELS "synclabels": Switch(Off), Both, B, Works;
        "copy the Gmail labels of new messages";
    RESYNCLABELS "resynclabels": Switch(Off), Both, B, Works;
        "make the Gmail labels of present messages the same";
}
