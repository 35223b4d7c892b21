//! Accounts, connections, authentication.

use super::Default::{Off, On, Open};
use super::Kind::{Flag, Float, Int, Pairs, Switch, Text};
use super::Support::{AcceptedWithNotice, Works};
use super::{Declaration, Group, Priority, Side};

options! { ACCOUNTS = "Accounts";
    HOST1 "host1": Text("HOST"), One, A, Works;
        "server to read from, a name or an address";
    USER1 "user1": Text("USER"), One, A, Works;
        "login on host1";
    PASSWORD1 "password1": Text("WORD"), One, A, Works;
        "password on host1; others on the machine can see it, --passfile1 is safer";
    PASSFILE1 "passfile1": Text("FILE"), One, A, Works;
        "file whose first line is the password on host1; wins over --password1";
    PORT1 "port1": Int("PORT"), One, A, Works;
        "port on host1: 993 with --ssl1, else 143";
    HOST2 "host2": Text("HOST"), Two, A, Works;
        "server to write to";
    USER2 "user2": Text("USER"), Two, A, Works;
        "login on host2";
    PASSWORD2 "password2": Text("WORD"), Two, A, Works;
        "password on host2; others on the machine can see it, --passfile2 is safer";
    PASSFILE2 "passfile2": Text("FILE"), Two, A, Works;
        "file whose first line is the password on host2; wins over --password2";
    PORT2 "port2": Int("PORT"), Two, A, Works;
        "port on host2: 993 with --ssl2, else 143";
    SHOWPASSWORDS "showpasswords": Switch(Off), Both, B, Works;
        "show passwords in the echoed command line instead of MASKED";
    SANITIZE "sanitize": Switch(On), Both, C, Works;
        "take blanks off both ends of hosts, users and passwords given as options";
}

options! { CONNECTION = "Connection and encryption";
    SSL1 "ssl1": Switch(Open), One, A, Works;
        "speak TLS from the first octet on host1";
    SSL2 "ssl2": Switch(Open), Two, A, Works;
        "speak TLS from the first octet on host2";
    TLS1 "tls1": Switch(Open), One, A, Works;
        "insist on STARTTLS on host1";
    TLS2 "tls2": Switch(Open), Two, A, Works;
        "insist on STARTTLS on host2";
    SSLCHECK "sslcheck": Switch(On), Both, B, Works;
        "try port 993 first where neither port, --ssl nor --tls was given";
    SSLARGS1 "sslargs1": Pairs("KEY=VALUE"), One, B, Works;
        "TLS settings of host1; SSL_verify_mode=0 accepts any certificate";
    SSLARGS2 "sslargs2": Pairs("KEY=VALUE"), Two, B, Works;
        "TLS settings of host2; SSL_verify_mode=0 accepts any certificate";
    SSL1_SSL_VERSION "ssl1_ssl_version": Text("VERSION"), One, C,
        AcceptedWithNotice("TLS 1.2 and 1.3 are spoken, nothing else");
        "version of TLS on host1";
    SSL2_SSL_VERSION "ssl2_ssl_version": Text("VERSION"), Two, C,
        AcceptedWithNotice("TLS 1.2 and 1.3 are spoken, nothing else");
        "version of TLS on host2";
    TIMEOUT "timeout": Float("SECONDS"), Both, A, Works;
        "give up on a silent server after that long; 120, 0 is never";
    TIMEOUT1 "timeout1": Float("SECONDS"), One, A, Works;
        "the same for host1 only";
    TIMEOUT2 "timeout2": Float("SECONDS"), Two, A, Works;
        "the same for host2 only";
    KEEPALIVE1 "keepalive1": Switch(On), One, C, Works;
        "TCP keepalive on the connections to host1";
    KEEPALIVE2 "keepalive2": Switch(On), Two, C, Works;
        "TCP keepalive on the connections to host2";
    INET4 "inet4" | "ipv4": Flag, Both, B, Works;
        "reach the servers by IPv4 only";
    INET6 "inet6" | "ipv6": Flag, Both, B, Works;
        "reach the servers by IPv6 only";
    ID "id": Switch(On), Both, C, Works;
        "introduce this program to servers that know the ID command";
    COMPRESS1 "compress1": Switch(Off), One, B, Works;
        "compress the traffic with host1, where it can";
    COMPRESS2 "compress2": Switch(Off), Two, B, Works;
        "compress the traffic with host2, where it can";
    RECONNECTRETRY1 "reconnectretry1": Int("COUNT"), One, B, Works;
        "connect again so often in a row before a folder is given up; the larger one counts";
    RECONNECTRETRY2 "reconnectretry2": Int("COUNT"), Two, B, Works;
        "the same for host2";
    SPLIT1 "split1": Int("COUNT"), One, C,
        AcceptedWithNotice("commands are cut to what servers accept");
        "length of the commands sent to host1";
    SPLIT2 "split2": Int("COUNT"), Two, C,
        AcceptedWithNotice("commands are cut to what servers accept");
        "length of the commands sent to host2";
    BUFFERSIZE "buffersize": Int("OCTETS"), Both, C,
        AcceptedWithNotice("buffers have a fixed bound");
        "size of the read buffer";
    FASTIO1 "fastio1": Switch(Off), One, C,
        AcceptedWithNotice("there is only one way to read a socket here");
        "another way of reading from host1";
    FASTIO2 "fastio2": Switch(Off), Two, C,
        AcceptedWithNotice("there is only one way to read a socket here");
        "another way of reading from host2";
    ALLOWSIZEMISMATCH "allowsizemismatch": Switch(On), Both, C,
        AcceptedWithNotice("the size announced with a message decides, whatever was listed");
        "bear with servers that list a wrong size";
    UID1 "uid1": Switch(On), One, C,
        AcceptedWithNotice("messages are always named by UID");
        "name messages of host1 by UID";
    UID2 "uid2": Switch(On), Two, C,
        AcceptedWithNotice("messages are always named by UID");
        "name messages of host2 by UID";
}

options! { AUTHENTICATION = "Authentication";
    AUTHMECH1 "authmech1": Text("NAME"), One, A, Works;
        "mechanism of the login on host1: LOGIN, PLAIN, CRAM-MD5, NTLM, SCRAM-SHA-256, XOAUTH2, …";
    AUTHMECH2 "authmech2": Text("NAME"), Two, A, Works;
        "mechanism of the login on host2: LOGIN, PLAIN, CRAM-MD5, NTLM, SCRAM-SHA-256, XOAUTH2, …";
    AUTHUSER1 "authuser1": Text("USER"), One, A, Works;
        "administrator who logs in on host1 for user1";
    AUTHUSER2 "authuser2": Text("USER"), Two, A, Works;
        "administrator who logs in on host2 for user2";
    PROXYAUTH1 "proxyauth1": Flag, One, B, Works;
        "authuser1 logs in and becomes user1 with the command PROXYAUTH";
    PROXYAUTH2 "proxyauth2": Flag, Two, B, Works;
        "authuser2 logs in and becomes user2 with the command PROXYAUTH";
    OAUTHACCESSTOKEN1 "oauthaccesstoken1": Text("TOKEN"), One, A, Works;
        "OAuth2 access token for host1, or the file that holds it, read at each login";
    OAUTHACCESSTOKEN2 "oauthaccesstoken2": Text("TOKEN"), Two, A, Works;
        "OAuth2 access token for host2, or the file that holds it, read at each login";
    OAUTHDIRECT1 "oauthdirect1": Text("WORD"), One, B, Works;
        "ready-made XOAUTH2 string for host1 in base64, or the file that holds it";
    OAUTHDIRECT2 "oauthdirect2": Text("WORD"), Two, B, Works;
        "ready-made XOAUTH2 string for host2 in base64, or the file that holds it";
    AUTHMD5 "authmd5": Switch(Off), Both, B, Works;
        "log in with CRAM-MD5 on both sides";
    AUTHMD51 "authmd51": Switch(Off), One, B, Works;
        "log in with CRAM-MD5 on host1";
    AUTHMD52 "authmd52": Switch(Off), Two, B, Works;
        "log in with CRAM-MD5 on host2";
    TRYLOGIN "trylogin": Switch(On), Both, B, Works;
        "try LOGIN once when another mechanism failed";
    DOMAIN1 "domain1": Text("DOMAIN"), One, B, Works;
        "domain of user1, for `--authmech1 NTLM`";
    DOMAIN2 "domain2": Text("DOMAIN"), Two, B, Works;
        "domain of user2, for `--authmech2 NTLM`";
}
