//! Which messages take part, how they are recognised, changed, flagged, deleted.

use super::Default::{Off, On, Open};
use super::Kind::{Flag, Float, Int, List, Switch, Text};
use super::Support::{AcceptedWithNotice, Works};
use super::declare::LATER;
use super::{Declaration, Group, Priority, Side};

options! { MESSAGE_CHOICE = "Which messages";
    MAXSIZE "maxsize": Int("OCTETS"), One, A, Works;
        "leave out messages larger than that";
    MINSIZE "minsize": Int("OCTETS"), One, B, Works;
        "leave out messages of that size or smaller";
    APPENDLIMIT "appendlimit": Int("OCTETS"), Two, B, Works;
        "largest message host2 takes, whatever it announces";
    MAXAGE "maxage": Float("DAYS"), Both, A, Works;
        "only messages sent in the last DAYS days, on both sides";
    MINAGE "minage": Float("DAYS"), Both, A, Works;
        "only messages sent more than DAYS days ago";
    SEARCH "search": Text("KEYS"), Both, A, Works;
        "only messages that an IMAP SEARCH finds";
    SEARCH1 "search1": Text("KEYS"), One, A, Works;
        "the same for host1 only";
    SEARCH2 "search2": Text("KEYS"), Two, A, Works;
        "the same for host2 only";
    SKIPMESS "skipmess": List("CODE"), Run, A, Works;
        "leave out messages that a Perl m// matches";
    MAXLINELENGTH "maxlinelength": Int("OCTETS"), Run, B, Works;
        "leave out messages with a longer line";
    MINMAXLINELENGTH "minmaxlinelength": Int("OCTETS"), Run, C, Works;
        "leave out messages whose longest line is that or shorter";
    ABLETOSEARCH "abletosearch": Switch(On), Both, B, Works;
        "count ages in days by SEARCH; else from the arrival, to the second";
    ABLETOSEARCH1 "abletosearch1": Switch(On), One, B, Works;
        "the same for host1 only";
    ABLETOSEARCH2 "abletosearch2": Switch(On), Two, B, Works;
        "the same for host2 only";
    CHECKNOABLETOSEARCH "checknoabletosearch": Switch(On), Both, C,
        AcceptedWithNotice("messages are listed by FETCH in any case");
        "find out whether SEARCH can be trusted";
    FETCH_HASH_SET "fetch_hash_set": Text("SET"), Both, C,
        AcceptedWithNotice("all messages of a folder are listed");
        "sequence set listed in place of all messages";
    CHECKMESSAGEEXISTS "checkmessageexists": Switch(Off), One, C,
        AcceptedWithNotice("a message that went away meanwhile is noticed without asking first");
        "ask whether a message still exists before copying it";
}

options! { IDENTITY = "Which messages are the same";
    USEHEADER "useheader": List("NAME"), Both, A, Works;
        "header that tells messages apart, or ALL; Message-Id and Received";
    ADDHEADER "addheader": Switch(Off), Two, A, Works;
        "give messages without those headers a Message-Id of their own";
    SYNCDUPLICATES "syncduplicates": Switch(Off), Both, A, Works;
        "copy equal messages of a folder as often as host1 has them";
    SKIPCROSSDUPLICATES "skipcrossduplicates": Switch(Off), Two, A, Works;
        "leave out messages already seen in another folder of host2";
    SKIPHEADER "skipheader": Text("PATTERN"), Both, B, Works;
        "header lines that do not tell messages apart";
    WHOLEHEADERIFNEEDED "wholeheaderifneeded": Switch(On), Both, C,
        AcceptedWithNotice("content decides where those headers are missing");
        "read the whole header where those lines are missing";
    MESSAGEIDNODOMAIN "messageidnodomain": Switch(Off), Both, B, Works;
        "compare Message-Ids only up to the @";
    SKIPSIZE "skipsize": Switch(On), Both, B, Works;
        "do not tell messages with the same headers apart by size";
    USEUID "useuid": Switch(Off), Both, B, Works;
        "each UID is a message of its own: equal ones are all copied";
    USECACHE "usecache": Switch(Off), Both, B, Works;
        "keep the UIDs of copied messages for the next run, as is done in any case";
    CACHEAFTERCOPY "cacheaftercopy": Switch(Open), Run, C,
        AcceptedWithNotice("messages are recognised without a cache");
        "write the cache after each message";
    FIXCOLONBUG "fixcolonbug": Switch(On), Run, C,
        AcceptedWithNotice("messages are recognised without a cache");
        "rename an old cache directory";
}

options! { TRANSFORMS = "Changing messages";
    REGEXMESS "regexmess": List("CODE"), Run, A, Works;
        "rewrite messages by Perl s/// or tr///";
    NOREGEXMESS "noregexmess": Flag, Run, C, Works;
        "let presets rewrite no messages";
    PIPEMESS "pipemess": List("COMMAND"), Run, A, Works;
        "send each message through a command";
    PIPEMESSCHECK "pipemesscheck": Switch(On), Run, C, Works;
        "try the commands of --pipemess once at start";
    DISARMREADRECEIPTS "disarmreadreceipts": Switch(Off), Run, B, Works;
        "keep mail programs from answering copied read-receipt requests";
    TRUNCMESS "truncmess": Int("OCTETS"), Run, B, Works;
        "cut messages to that many octets";
    MAXLINELENGTHCMD "maxlinelengthcmd": Text("COMMAND"), Run, C, Works;
        "send messages with too long lines through a command";
}

options! { FLAGS_AND_DATES = "Flags and dates";
    RESYNCFLAGS "resyncflags": Switch(On), Two, A, Works;
        "make the flags of present messages the same as on host1";
    SYNCFLAGSAFTERCOPY "syncflagsaftercopy": Switch(Off), Two, B, Works;
        "read the flags of copies back, and set those that are not there";
    REGEXFLAG "regexflag": List("CODE"), Run, A, Works;
        "rewrite flags by Perl s/// or tr///";
    NOREGEXFLAG "noregexflag": Flag, Run, C, Works;
        "let --exchange2 rewrite no flags";
    FILTERFLAGS "filterflags": Switch(On), Two, B, Works;
        "leave out flags that host2 does not keep";
    FILTERBUGGYFLAGS "filterbuggyflags": Switch(Off), Run, B, Works;
        "leave out system flags that no server should have";
    FLAGSCASE "flagscase": Switch(On), Run, C, LATER;
        "write the standard flags in their usual case";
    SYNCINTERNALDATES "syncinternaldates": Switch(On), Two, B, Works;
        "give copies the arrival date they have on host1";
    IDATEFROMHEADER "idatefromheader": Switch(Off), Two, B, Works;
        "give copies the date of their Date header as arrival date";
}

options! { DELETIONS = "Deleting";
    DELETE1 "delete1" | "delete": Switch(Off), One, A, Works;
        "delete on host1 what is proven to be on host2";
    EXPUNGEAFTEREACH "expungeaftereach": Switch(On), One, A, Works;
        "with --delete1, expunge what is proven to be on host2, folder by folder";
    EXPUNGE1 "expunge1" | "expunge": Switch(Open), One, B, Works;
        "expunge on host1 what is marked as deleted there and proven to be on host2";
    DELETE1EMPTYFOLDERS "delete1emptyfolders": Flag, One, B, Works;
        "delete the empty folders of host1";
    DELETE2 "delete2": Switch(Off), Two, A, Works;
        "delete on host2 the messages that host1 does not have";
    DELETE2DUPLICATES "delete2duplicates": Switch(Open), Two, A, Works;
        "delete all but the first of equal messages in a folder of host2";
    DELETE2FOLDERS "delete2folders": Switch(Off), Two, A, Works;
        "delete on host2 the folders that host1 does not have";
    DELETE2FOLDERSONLY "delete2foldersonly": Text("CODE"), Two, B, Works;
        "as --delete2folders, but only the folders that a Perl m// matches";
    DELETE2FOLDERSBUTNOT "delete2foldersbutnot": Text("CODE"), Two, B, Works;
        "as --delete2folders, but not the folders that a Perl m// matches";
    EXPUNGE2 "expunge2": Switch(Off), Two, B, Works;
        "expunge whole folders of host2 after deletions";
    UIDEXPUNGE2 "uidexpunge2": Switch(Open), Two, B, Works;
        "expunge on host2 exactly what this run deleted";
}
