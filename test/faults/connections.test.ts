// Providers that fail before their head is whole, or send one that is none.
import { bytes, end, hang, head, reset } from '../support/upstream-script.ts'
import { both, type Fault, inject } from './fault.ts'

const bad = {
  forms: both,
  status: 502,
  code: 'provider_bad_response',
  tries: 1,
  moves: true,
  charged: [1, 0],
} as const
const silent = { ...bad, status: 504, code: 'provider_timeout', hangsAfter: '' }
/** It may have been an idle connection, so the same provider is asked once more. */
const lost = { ...bad, tries: 2, triesBeforeMove: 2 }

const faults: readonly Fault[] = [
  {
    ...bad,
    what: 'nobody listens',
    script: 'refuses',
    code: 'provider_unreachable',
    tries: 0,
    charged: [0, 0],
  },
  { ...lost, what: 'closes without a response', script: [end] },
  { ...lost, what: 'resets without a response', script: [reset] },
  { ...lost, what: 'closes within its head', script: [bytes('HTTP/1.1 200 OK\r\ncontent-ty'), end] },
  { ...silent, what: 'hangs before its head', script: [hang] },
  { ...silent, what: 'hangs within its head', script: [bytes('HTTP/1.1 200 OK\r\nconte'), hang] },
  { ...bad, what: 'speaks no HTTP', script: [bytes('SSH-2.0-OpenSSH_9.2\r\n')] },
  { ...bad, what: 'sends a head of 20 KB', script: [head(200, { 'x-large': 'x'.repeat(20_000) }), end] },
  {
    ...bad,
    what: 'sends two lengths',
    script: [bytes('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab')],
  },
  { ...bad, what: 'sends nothing but hints', script: [...Array.from({ length: 40 }, () => head(103)), hang] },
]

for (const fault of faults) inject(fault)
