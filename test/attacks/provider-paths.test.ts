// Paths below `/providers/` that another program could decode, resolve or fold into one that may pass, or into one that may not.
import { attackSuite, type Attack, grantsNothing } from './attack.ts'
import { rawRequest } from '../support/raw-client.ts'

const unknown = { expected: 404, code: 'unknown_url' } as const
const malformed = { expected: 400, code: 'invalid_request' } as const
const foreign = { expected: 403, code: 'origin_not_allowed' } as const

/** One for each kind of trick, in the place of a path that passes, and of one that needs permission. */
const paths: readonly (readonly [target: string, answer: Pick<Attack, 'expected' | 'code'>])[] = [
  ['/providers', unknown],
  ['/providers/', unknown],
  ['/providers/scripted', unknown],
  ['/providers/scripted/', unknown],
  ['/providers/scripted/health/', unknown],
  ['/providers/scripted/.', unknown],
  ['/providers/scripted/..', unknown],
  ['/providers/scripted/./health', unknown],
  ['/providers/scripted/health/.', unknown],
  ['/providers/scripted/health/..', unknown],
  ['/providers/scripted/v1/../health', unknown],
  ['/providers/scripted/health/../slots', unknown],
  ['/providers/other/../scripted/health', unknown],
  ['/providers/../metrics', unknown],
  ['/providers/../v1/models', unknown],
  ['/providers/scripted//health', malformed],
  ['/providers//scripted/health', malformed],
  ['//providers/scripted/health', malformed],
  ['/providers/scripted/%2e%2e/health', unknown],
  ['/providers/scripted/h%65alth', unknown],
  ['/providers/scripted/v1%2fmodels', unknown],
  ['/providers/scripted%2fhealth', unknown],
  ['/providers%2fscripted/health', unknown],
  ['/providers/scripted/health%00', unknown],
  ['/providers/scripted/health%', malformed],
  ['/providers/scripted/health%252f', unknown],
  ['/providers/s%63ripted/health', unknown],
  ['/providers/scripted/health;x=1', unknown],
  ['/providers/scripted;x=1/health', unknown],
  ['/providers/scripted/Health', unknown],
  ['/providers/Scripted/health', unknown],
  ['/Providers/scripted/health', unknown],
  ['/PROVIDERS/scripted/health', unknown],
  ['/v1/providers/scripted/health', unknown],
  ['/providers/scripted/health\\x', malformed],
  ['/providers/scripted\\health', malformed],
  ['/providers/scripted/health#x', malformed],
  ['/providers/scripted/v1/models/x', unknown],
  ['/providers/scripted/v1/chat/completions', unknown],
  ['/providers/scripted/slots/0', unknown],
  ['/providers/scripted/slots/0/../1', unknown],
  ['/providers/scripted/slots/99999999', unknown],
  ['/providers/scripted/slots/{slot}', unknown],
  ['/providers/scripted/shutdown', unknown],
  ['/providers/scripted/admin/keys', unknown],
  ['/providers/scripted/pull', unknown],
  ['/providers/__proto__/health', unknown],
  ['/providers/scripted/__proto__', unknown],
  ['/providers/scripted/constructor', unknown],
]

attackSuite(
  'paths below /providers',
  [
    ...paths.flatMap(([target, answer]): Attack[] => [
      { name: `GET ${target}`, sends: rawRequest(`GET ${target}`), ...answer, check: grantsNothing },
      {
        name: `POST ${target}`,
        sends: rawRequest(`POST ${target}`, {}, '{}'),
        ...answer,
      },
    ]),
    ...[
      'http://127.0.0.1/providers/scripted/health',
      'http://evil.example/providers/scripted/health',
      '*',
    ].map((target): Attack => ({
      name: `GET ${target}`,
      sends: `GET ${target} HTTP/1.1\r\nhost: localhost\r\n\r\n`,
      ...malformed,
    })),
    ...['PUT', 'PATCH', 'DELETE', 'HEAD'].map((method): Attack => ({
      name: `${method} of a route that has GET`,
      sends: rawRequest(`${method} /providers/scripted/health`),
      ...unknown,
    })),
    {
      name: 'a method in a header',
      sends: rawRequest('POST /providers/scripted/health', { 'x-http-method-override': 'GET' }, '{}'),
      ...unknown,
    },
  ],
  { providers: { scripted: { kind: 'openai' } } },
)

const page = 'http://localhost:5173'

attackSuite(
  'pages',
  [
    {
      name: 'a page of an allowed origin asks first',
      sends: rawRequest('OPTIONS /providers/scripted/infill', {
        origin: page,
        'access-control-request-method': 'POST',
      }),
      expected: 404,
      check: grantsNothing,
    },
    {
      name: 'a page of an allowed origin causes a call',
      sends: rawRequest(
        'POST /providers/scripted/infill',
        { origin: page, 'content-type': 'text/plain' },
        '{}',
      ),
      ...foreign,
      check: grantsNothing,
    },
    {
      name: 'a page of another origin causes a call',
      sends: rawRequest('POST /providers/scripted/infill', { origin: 'http://evil.example' }, '{}'),
      ...foreign,
      check: grantsNothing,
    },
    {
      name: 'a page of another site without an origin',
      sends: rawRequest('GET /providers/scripted/health', { 'sec-fetch-site': 'cross-site' }),
      ...foreign,
    },
    {
      name: 'a navigation',
      sends: rawRequest('GET /providers/scripted/health', {
        'sec-fetch-mode': 'navigate',
        'sec-fetch-site': 'none',
      }),
      ...foreign,
    },
  ],
  {
    providers: { scripted: { kind: 'openai', allow_management: true } },
    cors: { enabled: true, allowed_origins: [page] },
  },
)

attackSuite(
  'a page and llama-swap',
  [
    {
      name: 'a GET that changes the server, by a page',
      sends: rawRequest('GET /providers/scripted/unload', { 'sec-fetch-site': 'same-origin' }),
      ...foreign,
    },
  ],
  { providers: { scripted: { kind: 'openai', allow_management: true } } },
)
