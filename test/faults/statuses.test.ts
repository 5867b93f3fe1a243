// Providers that answer with an error: which ones are asked again, and for which another target is asked.
import { bytes, content, hang, head, json, reset } from '../support/upstream-script.ts'
import { both, type Fault, inject } from './fault.ts'

type Headers = Readonly<Record<string, string>>

function own(
  status: number,
  error: object = {},
  headers: Headers = {},
): Pick<Fault, 'what' | 'script' | 'status'> {
  const details = [...Object.values(error), ...Object.entries(headers).flat()].map((each) => `, ${each}`)
  return {
    what: `answers ${status}${details.join('')}`,
    script: json(status, { error: { message: 'own words', ...error } }, headers),
    status,
  }
}

const final = { forms: both, tries: 1, moves: false, charged: [1, 0], once: ['own words'] } as const
const movable = { ...final, moves: true }
const repeated = { ...movable, tries: 3 }
const bad = { ...movable, status: 502, code: 'provider_bad_response', once: [] }
const auth = { ...bad, code: 'provider_auth_failed', charged: [0, 0] } as const

const errorHead = head(400, { 'content-type': 'application/json', 'content-length': '99' })

const faults: readonly Fault[] = [
  ...[400, 404, 409, 413, 422].map((status) => ({ ...final, ...own(status) })),
  { ...final, ...own(429, {}, { 'x-should-retry': 'false' }) },
  ...[500, 501].map((status) => ({ ...movable, ...own(status) })),
  { ...movable, ...own(402) },
  { ...movable, ...own(404, { code: 'model_not_found' }) },
  { ...movable, ...own(429, { code: 'insufficient_quota' }) },
  { ...movable, ...own(429, { code: 429, type: 'billing_not_active' }) },
  { ...movable, ...own(429, { code: '429', type: 'insufficient_credits' }) },
  { ...movable, ...own(429, {}, { 'retry-after': '60' }) },
  { ...movable, ...own(429, {}, { 'retry-after': '99999999999999' }) },
  { ...movable, ...own(503, {}, { 'x-should-retry': 'false' }) },
  ...[408, 429, 502, 503, 504, 529].map((status) => ({ ...repeated, ...own(status) })),
  { ...repeated, ...own(429, {}, { 'retry-after': '2' }) },
  { ...repeated, ...own(503, {}, { 'retry-after-ms': '1500' }) },
  { ...repeated, ...own(529, {}, { 'retry-after': '0' }) },
  ...[401, 403].map((status) => ({ ...own(status), ...auth })),
  { ...bad, what: 'answers 407', script: json(407, {}) },
  { ...bad, what: 'has no such route', script: content(404, 'text/plain', '404 page not found') },
  { ...bad, what: 'has no such route for POST', script: json(405, { detail: 'Method Not Allowed' }) },
  { ...bad, what: 'answers 999', script: json(999, {}) },
  { ...bad, what: 'redirects', script: json(307, {}, { location: 'http://127.0.0.1:1/' }) },
  { ...bad, what: 'has a proxy with a page', script: content(502, 'text/html', '<h1>Bad Gateway</h1>') },
  { ...bad, what: 'breaks its error off', script: [errorHead, bytes('{"error":'), reset] },
  {
    ...bad,
    what: 'hangs within its error',
    script: [errorHead, bytes('{"error":'), hang],
    status: 504,
    code: 'provider_timeout',
    hangsAfter: '',
  },
]

for (const fault of faults) inject(fault)
