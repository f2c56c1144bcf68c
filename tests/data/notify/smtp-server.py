"""A mail server (aiosmtpd) for tests: smtp-server.py MODE CERTIFICATES MAILBOX

MODE is tls, starttls or plain. With tls and starttls it takes mail only after a login as
"bkverify" with the password 5ecre7-p4ss. It prints its port, then writes each mail that it takes
to MAILBOX. It ends when its standard input ends.
"""

import asyncio
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

mode, certificates, mailbox = sys.argv[1:]
# It warns of what the mode tls looks like to it.
warnings.simplefilter("ignore")
logging.disable()


class Handler:
    async def handle_DATA(self, server, session, envelope):
        with open(mailbox, "wb") as file:
            file.write(f"X-Envelope: {envelope.mail_from} {' '.join(envelope.rcpt_tos)}\r\n".encode())
            file.write(envelope.original_content)
        return "250 taken"


def login(server, session, envelope, mechanism, data):
    good = data.login == b"bkverify" and data.password == b"5ecre7-p4ss"
    return AuthResult(success=good, handled=good)


def protocol():
    options = {"hostname": "localhost"}
    if mode != "plain":
        options |= {"auth_required": True, "authenticator": login, "auth_require_tls": mode == "starttls"}
    if mode == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    return SMTP(Handler(), **options)


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


context = None
if mode != "plain":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{certificates}/server.pem", f"{certificates}/server.key")
asyncio.run(serve())
