// Real nginx and Caddy with the example files, of which only ports, certificates and file names are replaced.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { TestContext } from 'node:test'

import { findProgram, missing } from '../support/needs.ts'
import { echoConfig, journal, noUserManager, startInstalled, streamCommand } from '../support/user-manager.ts'
import type { UserManager } from '../support/user-manager.ts'

const examples = join(import.meta.dirname, '../../config/examples')
const token = '0123456789abcdef'
const url = 'https://llm.example.org:8443'
/** Of the documentation's range (RFC 5737); the client has it here. */
const clientAddress = '198.51.100.7'
const curl = `curl -sS --max-time 20 --cacert front/crt`
const authorized = `-H 'authorization: Bearer ${token}'`

const proxies: Readonly<Record<string, (manager: UserManager) => Promise<unknown>>> = {
  async nginx(manager) {
    const site = readFileSync(join(examples, 'nginx.conf'), 'utf8')
      .replace('listen 443', 'listen 8443')
      .replaceAll(/\/etc\/nginx\/llm-gateway[-.](tokens\.map|crt|key)/g, 'HOME/front/$1')
      .replaceAll('HOME', manager.home)
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path t-${name};`,
    )
    const main = `pid pid; error_log err; events {} http { access_log off; ${paths.join(' ')} include site; }`
    await manager.ok('cat >front/site', { input: site })
    await manager.ok('cat >front/main', { input: main })
    await manager.ok('cat >front/tokens.map', { input: `"Bearer ${token}" alice;` })
    return manager.ok(`${findProgram('nginx')} -p $HOME/front -c main -e err`)
  },
  async Caddy(manager) {
    const site = readFileSync(join(examples, 'Caddyfile'), 'utf8')
      .replace('llm.example.org {', `${url} {\n\ttls ${manager.home}/front/crt ${manager.home}/front/key`)
      .replace('/etc/caddy/llm-gateway-tokens', `${manager.home}/front/tokens`)
    await manager.ok('cat >front/Caddyfile', { input: `{\n\tauto_https disable_redirects\n}\n${site}` })
    await manager.ok('cat >front/tokens', { input: `header Authorization "Bearer ${token}"` })
    return manager.ok(`${findProgram('caddy')} start --config front/Caddyfile >front/log 2>&1`)
  },
}

for (const [name, start] of Object.entries(proxies)) {
  const skip = noUserManager() || missing(name.toLowerCase(), 'openssl', 'curl')
  suite(`behind ${name}`, { skip }, () => {
    test('the SDK streams over TLS, and no event is held back', async (t) => {
      const manager = await startFront(t, start)
      const client = `NODE_EXTRA_CA_CERTS=front/crt ${process.execPath} llm-gateway/test/support/stream-client.ts`
      assert.equal(await manager.ok(`${client} ${url}/v1 ${token}`), 'streamed')
    })

    test('without credentials, or with wrong ones, there is 401 and no call', async (t) => {
      const manager = await startFront(t, start)
      for (const wrong of ['', `-H 'authorization: Bearer ${token}0'`, `-H 'authorization: ${token}'`]) {
        const answer = await manager.ok(`${curl} -i ${wrong} ${url}/v1/models`)
        assert.match(answer, /^HTTP\/\S+ 401/)
        assert.match(answer, /"code":"invalid_api_key"/)
      }
      assert.equal(await manager.ok('systemctl --user show -P ActiveState llm-gateway'), 'inactive')
    })

    test('other methods are refused', async (t) => {
      const manager = await startFront(t, start)
      const status = `${curl} -o /dev/null -w '%{http_code}' -X DELETE ${authorized} ${url}/v1/models`
      assert.equal(await manager.ok(status), '405')
    })

    test("the log has the client's own address, whatever the client claims", async (t) => {
      const manager = await startFront(t, start)
      const call = streamCommand(
        `${authorized} -H 'x-forwarded-for: 203.0.113.9' --interface ${clientAddress} --cacert front/crt ${url}`,
      )
      assert.match(await manager.ok(call), /DONE/)
      const line = (await journal(manager)).find(({ message }) => message.includes('"event":"call"'))
      assert.match(line?.message ?? '', new RegExp(`"client":"ip:${clientAddress.replaceAll('.', '\\.')}"`))
    })
  })
}

async function startFront(
  t: TestContext,
  start: (manager: UserManager) => Promise<unknown>,
): Promise<UserManager> {
  const manager = await startInstalled(t, `${echoConfig}server: { trusted_proxies: [{ user: self }] }\n`)
  await manager.ok(
    `ip address add ${clientAddress}/32 dev lo
    (cat /etc/hosts; echo 127.0.0.1 llm.example.org) >/run/hosts; mount --bind /run/hosts /etc/hosts`,
    { isRoot: true },
  )
  await manager.ok(`mkdir front; openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout front/key -out front/crt \
    -subj /CN=llm.example.org -addext subjectAltName=DNS:llm.example.org 2>/dev/null`)
  await start(manager)
  return manager
}
