//! Traces and self tests.

use super::Default::Off;
use super::Kind::{Float, Int, List, Switch};
use super::Support::{AcceptedWithNotice, Works};
use super::{Declaration, Group, Priority, Side, Support};

/// The many traces that have no counterpart here.
const TRACED_BY_DEBUG: Support =
    AcceptedWithNotice("not in this version; `--debug` and `--debugimap` tell more");

/// imapsync's own tests test imapsync.
const NO_SELF_TEST: Support =
    AcceptedWithNotice("imapsync's own tests are no part of this program");

options! { DEBUGGING = "Traces";
    DEBUG "debug": Switch(Off), Run, B, Works;
        "tell more about what is done and why";
    DEBUGIMAP "debugimap": Switch(Off), Both, B, Works;
        "show the IMAP dialogue with both sides";
    DEBUGIMAP1 "debugimap1": Switch(Off), One, B, Works;
        "show the IMAP dialogue with host1";
    DEBUGIMAP2 "debugimap2": Switch(Off), Two, B, Works;
        "show the IMAP dialogue with host2";
    DEBUGLIST "debuglist": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show the UIDs that take part";
    DEBUGCONTENT "debugcontent": Switch(Off), Run, B, Works;
        "show each message as it is sent";
    DEBUGSLEEP "debugsleep": Float("SECONDS"), Run, C, TRACED_BY_DEBUG;
        "pause at each step";
    DEBUGFLAGS "debugflags": Switch(Off), Run, B, Works;
        "show what becomes of flags";
    DEBUGDEV "debugdev": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show what only developers want to know";
    DEBUGMEMORY "debugmemory": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show how much memory is in use";
    DEBUGFOLDERS "debugfolders": Switch(Off), Run, B, Works;
        "show how folder names are made";
    DEBUGSSL "debugssl": Int("LEVEL"), Both, C, TRACED_BY_DEBUG;
        "show what the TLS library does";
    DEBUGCGI "debugcgi": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show what the web form sent";
    DEBUGENV "debugenv": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show the environment";
    DEBUGSIG "debugsig": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show what becomes of signals";
    DEBUGLABELS "debuglabels": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show what becomes of Gmail labels";
    DEBUGCACHE "debugcache": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show what the cache does";
    DEBUGCROSSDUPLICATES "debugcrossduplicates": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show messages that several folders have";
    DEBUGMAXLINELENGTH "debugmaxlinelength": Switch(Off), Run, C, TRACED_BY_DEBUG;
        "show the longest line of each message";
}

options! { SELF_TESTS = "Self tests";
    TESTS "tests": Switch(Off), Run, C, NO_SELF_TEST;
        "run imapsync's own tests";
    TESTSDEBUG "testsdebug" | "tests_debug": Switch(Off), Run, C, NO_SELF_TEST;
        "run some of imapsync's own tests";
    TESTSUNIT "testsunit": List("NAME"), Run, C, NO_SELF_TEST;
        "run one of imapsync's own tests";
    TESTSLIVE "testslive": Switch(Off), Run, C, NO_SELF_TEST;
        "sync test accounts of imapsync's author";
    TESTSLIVE6 "testslive6": Switch(Off), Run, C, NO_SELF_TEST;
        "sync test accounts of imapsync's author by IPv6";
    SIMULONG "simulong": Float("SECONDS"), Run, C,
        AcceptedWithNotice("it only pretends to work");
        "show a progress line that means nothing";
    MEMORYSTRESS "memorystress": Switch(Off), Run, C,
        AcceptedWithNotice("it only wastes memory");
        "fill the memory";
}
