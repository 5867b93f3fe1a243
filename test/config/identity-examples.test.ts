// The gateway's side of each example with a front proxy: it is valid, and leaving out what makes it safe is reported.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { parse, stringify } from 'yaml'

import { validateConfigCommand } from '../../src/cli/validate-config.ts'
import type { RawConfig, RawIdentitySource } from '../../src/config/raw.ts'
import { parseUnixUsers } from '../../src/platform/unix-users.ts'
import { recordedIo } from '../support/command-io.ts'
import { problemsOf, writeScratch } from '../support/config-file.ts'

const folder = join(import.meta.dirname, '../../config/examples')

/** The machine of the example's reader: its proxies have users. */
const proxyUsers = ['caddy', 'cloudflared', 'oauth2-proxy', 'www-data']
const users = parseUnixUsers(
  proxyUsers.map((name, index) => `${name}:x:${800 + index}:800::/:/bin/false`).join('\n'),
)

interface Example {
  readonly file: string
  /** Of the proxy, as it stands in the example; undefined: it connects to the Unix socket. */
  readonly user: string | undefined
}

const examples: readonly Example[] = [
  { file: 'identity-caddy.yaml', user: 'caddy' },
  { file: 'identity-cloudflare.yaml', user: 'cloudflared' },
  { file: 'identity-nginx.yaml', user: 'www-data' },
  { file: 'identity-oauth2-proxy.yaml', user: 'oauth2-proxy' },
  { file: 'identity-tailscale.yaml', user: undefined },
]

test('each of these files has a row', () => {
  const files = globSync('identity-*.yaml', { cwd: folder }).toSorted()
  assert.deepEqual(
    files,
    examples.map(({ file }) => file),
  )
})

for (const { file, user } of examples) {
  const text = readFileSync(join(folder, file), 'utf8')
  const whole = parse(text) as RawConfig & Required<Pick<RawConfig, 'identity' | 'server' | 'access'>>
  const source: RawIdentitySource = whole.identity.sources![0]!

  suite(file, () => {
    test('is valid', async (t) => {
      const io = recordedIo({})
      assert.equal(
        await validateConfigCommand(io, writeScratch(t, text), { json: false }),
        0,
        io.written.stderr,
      )
    })

    test('needs nothing else on a machine with the proxy', (t) => {
      assert.deepEqual(problemsOf(t, text, { users }), [])
    })

    test('names what the proxy connects by', () => {
      const comment = text.slice(0, text.indexOf('\nidentity:'))
      assert.match(
        comment,
        user === undefined ? /connects to the Unix socket/ : new RegExp(`as the Unix user ${user}\\b`),
      )
    })

    test('without what makes it safe, it is refused or a warning names the effect', (t) => {
      const problemsWith = (changed: object) =>
        problemsOf(t, stringify({ ...whole, ...changed }), { users }).join('\n')
      const withSource = (changed: object) => ({
        identity: { required: true, sources: [{ ...source, ...changed }] },
      })
      if (user === undefined) {
        const server = { ...whole.server, unix_socket: undefined }
        assert.match(problemsWith({ server }), /believed on a Unix socket only/)
        return
      }
      assert.match(
        problemsWith({ access: undefined }),
        new RegExp(`"${user}" to the TCP port are refused \\(403\\)`),
      )
      if ('from_user' in source) {
        assert.match(problemsWith(withSource({ from_user: undefined })), /believed on a Unix socket only/)
        assert.match(problemsWith(withSource({ from_user: 'self' })), /every program of this user can/)
        assert.match(problemsWith(withSource({ from_user: 'any' })), /would believe every local program/)
      } else {
        assert.match(problemsWith(withSource({ audience: undefined })), /needs the key "audience"/)
      }
    })
  })
}
