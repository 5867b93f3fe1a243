// Watched from outside of the gateway: in a network namespace with a second address, no call of a `local` model reaches it.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

import { writeScratch } from '../support/config-file.ts'
import { missing, unless } from '../support/needs.ts'

const skip = unless(process.getuid?.() === 0, 'needs root') || missing('unshare', 'ip', 'mount')

/** Of a network for documentation (RFC 5737): neither of loopback nor private. */
const outside = '203.0.113.7'

const inNamespace = `ip link set lo up && ip address add ${outside}/32 dev lo && mount --bind "$0" /etc/hosts && exec "$@"`

test('no call of a local model reaches the second address of a network namespace', { skip }, async (t) => {
  const hosts = writeScratch(t, '', { name: 'hosts', mode: 0o644 })
  const script = join(import.meta.dirname, 'boundary-calls.ts')
  const namespaces = ['--net', '--mount', '--propagation', 'private']
  const command = ['sh', '-c', inNamespace, hosts, process.execPath, script, outside]
  const { stdout } = await promisify(execFile)('unshare', [...namespaces, ...command], { timeout: 60_000 })
  const { calls } = JSON.parse(stdout) as { calls: unknown[] }
  assert.deepEqual(calls, [
    ['secret', '', 200, 'local', 0],
    ['named', '', 200, 'local', 0],
    ['failing', '', 200, 'local', 0],
    ['redirected', '', 502, 'provider_bad_response', 0],
    ['mixed', 'local', 200, 'local', 0],
    ['lan', 'private', 403, 'outside_boundary', 0],
    ['out', 'local', 403, 'outside_boundary', 0],
    // From here on, the name of the provider leads to the second address.
    ['named', '', 403, 'outside_boundary', 0],
    ['failing', '', 200, 'local', 0],
    ['secret', '', 200, 'local', 0],
    ['out', '', 200, 'any', 1],
  ])
})
