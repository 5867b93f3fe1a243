// DNS rebinding, and names that some parser would take for this machine.
import { type Attack, attackSuite, chat, get } from './attack.ts'

const foreign = [
  'evil.example',
  'evil.example:4000',
  'localhost.evil.example',
  'x.localhost',
  'xlocalhost',
  'localhost6',
  'localhost.',
  'localhost.localdomain',
  'host.local',
  'host.docker.internal',
  '0.0.0.0:4000',
  '127.0.0.2',
  '127.0.0.1.',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f.1',
  '0177.0.0.1',
  '127.000.000.001',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:0:0:1]',
  '169.254.169.254',
  '10.0.0.1:4000',
]

const malformed = [
  '',
  ':4000',
  'localhost:',
  'localhost:99999999',
  'localhost:4000:4000',
  'localhost:http',
  'localhost/health?x=',
  'localhost#x',
  'localhost?x',
  'localhost\\x',
  'localhost@evil.example',
  'evil.example@localhost',
  'localhost, evil.example',
  'local host',
  'localhost\tevil.example',
  'http://localhost',
  '::1',
  '[::1',
  '[::1%lo]',
  'ⓛocalhost',
  'löcalhost',
  '%6cocalhost',
  'localhost%00',
  '"localhost"',
]

const plain = 'GET /v1/models HTTP/1.1\r\n'

attackSuite('A Host that is not this machine:', [
  ...foreign.map((host): Attack => ({
    name: host,
    sends: chat({ host }),
    expected: 403,
    code: 'host_not_allowed',
  })),
  ...malformed.map((host): Attack => ({
    name: JSON.stringify(host),
    sends: chat({ host }),
    expected: 400,
    code: 'invalid_host',
  })),
  ...['/healthz', '/nothing', '/v1/models/x'].map((path): Attack => ({
    name: `evil.example on ${path}`,
    sends: get(path, { host: 'evil.example' }),
    expected: 403,
    code: 'host_not_allowed',
  })),
  {
    name: 'evil.example with the forwarded name of this machine',
    sends: get('/v1/models', {
      host: 'evil.example',
      'x-forwarded-host': 'localhost',
      forwarded: 'host=localhost',
      'x-host': 'localhost',
      'x-original-url': '/healthz',
    }),
    expected: 403,
    code: 'host_not_allowed',
  },
  ...(
    [
      ['two equal Host lines', `${plain}Host: localhost\r\nHost: localhost\r\n\r\n`],
      ['two different Host lines', `${plain}Host: localhost\r\nhost: evil.example\r\n\r\n`],
      ['no Host line', `${plain}\r\n`],
      ['no Host line, with HTTP/1.0', 'GET /v1/models HTTP/1.0\r\n\r\n'],
      ['a Host line over two lines', `${plain}Host:\r\n localhost\r\n\r\n`],
    ] as const
  ).map(([name, sends]): Attack => ({ name, sends, expected: 400 })),
])

attackSuite('A Host that is this machine:', [
  ...['localhost', 'LOCALHOST', 'localhost:9999', '127.0.0.1:1', '[::1]:4000', '[::1]'].map(
    (host): Attack => ({ name: host, sends: get('/v1/models', { host }), expected: 200 }),
  ),
  {
    name: 'localhost, with HTTP/1.0 as nginx speaks it',
    sends: 'GET /v1/models HTTP/1.0\r\nHost: localhost\r\n\r\n',
    expected: 200,
  },
])
