//! The run itself: presets, modes that stop early, reports, limits, process control.

use super::Default::{Off, On, Open};
use super::Kind::{Flag, Float, Int, List, Switch, Text};
use super::Support::{AcceptedWithNotice, WebFormOnly, Works};
use super::declare::LATER;
use super::{Declaration, Group, Priority, Side};

options! { PRESETS = "Presets";
    GMAIL1 "gmail1": Flag, One, A, Works;
        "settings for Gmail as host1";
    GMAIL2 "gmail2": Flag, Two, A, Works;
        "settings for Gmail as host2";
    OFFICE1 "office1": Flag, One, A, Works;
        "host1 is Office 365: its address, TLS, and no folder Files";
    OFFICE2 "office2": Flag, Two, A, Works;
        "settings for Office 365 as host2";
    EXCHANGE1 "exchange1": Flag, One, B, Works;
        "host1 is Exchange; sets nothing";
    EXCHANGE2 "exchange2": Flag, Two, B, Works;
        "settings for Exchange as host2";
    DOMINO1 "domino1": Flag, One, B, Works;
        "settings for Domino as host1";
    DOMINO2 "domino2": Flag, Two, B, Works;
        "settings for Domino as host2";
}

options! { STOP_EARLY = "Doing less";
    DRY "dry": Switch(Off), Run, A, Works;
        "show what would be done and change nothing";
    DRY1 "dry1": Switch(Open), One, B, Works;
        "with --dry, do not read messages either; --nodry1 goes over them";
    JUSTLOGIN "justlogin": Switch(Off), Run, A, Works;
        "log in on both sides, then stop";
    JUSTCONNECT "justconnect": Switch(Off), Run, A, Works;
        "connect to both sides, then stop";
    JUSTFOLDERS "justfolders": Switch(Off), Run, A, Works;
        "create and subscribe folders, copy no message";
    JUSTFOLDERSIZES "justfoldersizes": Switch(Off), Both, B, Works;
        "show the sizes of the folders, then stop";
    JUSTFOLDERLISTS "justfolderlists": Switch(Off), Run, B, Works;
        "show the folders of both sides, then stop";
    JUSTAUTOMAP "justautomap": Switch(Off), Run, C, Works;
        "show which folders --automap pairs, then stop";
    JUSTBANNER "justbanner": Switch(Off), Run, C, Works;
        "show the first lines of the report, then stop";
    EXITWHENOVER "exitwhenover": Int("OCTETS"), Run, B, Works;
        "stop when that much was copied";
    HELP "help": Flag, Run, A, Works;
        "show this help, then stop";
    VERSION "version": Flag, Run, A, Works;
        "show the version number, then stop";
}

options! { REPORTS = "Reports";
    LOG "log": Switch(On), Run, A, Works;
        "write what is printed to a log file too";
    LOGFILE "logfile": Text("FILE"), Run, A, Works;
        "name of the log file; DATE_USER1_USER2.txt";
    LOGDIR "logdir": Text("DIRECTORY"), Run, A, Works;
        "where log files go; LOG_imapsync";
    FOLDERSIZES "foldersizes": Switch(On), Both, A, Works;
        "show the sizes of the folders before the sync";
    FOLDERSIZESATEND "foldersizesatend": Switch(Open), Both, A, Works;
        "show the sizes of the folders after the sync";
    ERRORSDUMP "errorsdump": Switch(On), Run, B, Works;
        "list the errors once more at the end";
    MODULESVERSION "modulesversion" | "modules_version": Switch(On), Run, C, Works;
        "list Perl modules; there are none here";
    RELEASECHECK "releasecheck": Switch(Off), Run, C, Works;
        "look for a newer release; this program never calls home";
    EMAILREPORT1 "emailreport1": Switch(Off), One, C, LATER;
        "leave a report in the INBOX of host1";
    EMAILREPORT2 "emailreport2": Switch(Off), Two, C, LATER;
        "leave a report in the INBOX of host2";
    EMAILREPORTFROM "emailreportfrom": Text("ADDRESS"), Run, C, LATER;
        "sender of those reports";
}

options! { LIMITS = "Limits";
    ERRORSMAX "errorsmax": Int("COUNT"), Run, A, Works;
        "stop after that many errors; 50";
    MAXMESSAGESPERSECOND "maxmessagespersecond": Float("RATE"), Run, A, Works;
        "copy no faster than that many messages a second";
    MAXBYTESPERSECOND "maxbytespersecond": Int("RATE"), Run, A, Works;
        "copy no faster than that many octets a second";
    MAXBYTESAFTER "maxbytesafter": Int("OCTETS"), Run, B, Works;
        "octets copied before that limit holds";
    MAXSLEEP "maxsleep": Float("SECONDS"), Run, B, Works;
        "0: those limits do not hold; any other: they hold evenly, without pauses";
    EXITONLOAD "exitonload": Switch(Open), Run, C,
        AcceptedWithNotice("there is no web form to protect");
        "do not start on a busy machine";
}

options! { PROCESS = "Files and processes";
    TMPDIR "tmpdir": Text("DIRECTORY"), Run, A, Works;
        "where temporary files and the pidfile go";
    PIDFILE "pidfile": Text("FILE"), Run, B, Works;
        "file that holds the process number; TMPDIR/imapsync.pid";
    PIDFILELOCKING "pidfilelocking": Switch(Off), Run, B, Works;
        "do not start while the pidfile exists";
    ABORT "abort": Flag, Run, B, Works;
        "stop the run that the pidfile names";
    ABORTBYFILE "abortbyfile": Flag, Run, C, Works;
        "stop that run by a file it watches";
    TAIL "tail": Switch(Off), Run, C, Works;
        "with --pidfilelocking, follow the log of the run that holds the pidfile";
    SIGEXIT "sigexit": List("SIGNAL"), Run, C, Works;
        "signals that end the run, beside TERM and QUIT";
    SIGRECONNECT "sigreconnect": List("SIGNAL"), Run, C,
        AcceptedWithNotice("a connection that breaks is opened again by itself");
        "signals that connect anew";
    SIGIGNORE "sigignore": List("SIGNAL"), Run, C, Works;
        "signals without effect";
    DOCKERCONTEXT "dockercontext": Switch(Open), Run, B, Works;
        "no log file and no pidfile unless asked for; never found out by itself";
    VAR "var": List("NAME=VALUE"), Run, C,
        AcceptedWithNotice("only imapsync's web form shows it");
        "a value shown by the web form";
    TMPHASH "tmphash": Text("WORD"), Run, C, WebFormOnly;
        "directory name made by the web form";
    LOGLOGFILE "loglogfile": Switch(Open), Run, C, WebFormOnly;
        "list of log files kept by the web form";
}
