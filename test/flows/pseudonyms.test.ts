// Pseudonyms in the place of clients' names: in the log, the ledger and the audit log, and what is still found by the name.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { Writable } from 'node:stream'

import { createProgram } from '../../src/cli/program.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { defaultEnv, echo, prepare } from '../support/gateway-config.ts'
import { runGateway } from '../support/gateway-process.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { runCommand } from '../support/run-command.ts'

const own = `user:${userInfo().username}`
const pseudonym = /^(user|key):p-[0-9a-f]{32}$/

async function scene(t: TestContext, workers = 1) {
  const folder = scratchDirectory(t)
  const file = join(folder, 'llm-gateway.yaml')
  const { text } = await prepare(t, {
    ...echo,
    models: { echo: { provider: 'echo' } },
    server: { workers },
    keys: { mode: 'optional' },
    clients: { [own]: { budgets: [{ tokens: 1_000_000, per: 'day' }] } },
    rate_limit_settings: { per_client: { rpm: 4 } },
    usage: { client_names: 'pseudonym' },
    audit: { enabled: true },
  })
  writeFileSync(file, text, { mode: 0o600 })
  const env = { HOME: folder, XDG_RUNTIME_DIR: '', PATH: '', LLM_GATEWAY_CONFIG: file }
  const state = join(folder, '.local/state/llm-gateway')
  return {
    file,
    env,
    run: (...args: readonly string[]) => runCommand(args, { env }),
    start: () => runGateway(t, undefined, { HOME: folder, LLM_GATEWAY_CONFIG: file, ...defaultEnv }),
    stateFile: (name: string) => readFileSync(join(state, name), 'latin1'),
  }
}

type Report = { readonly data: Record<string, unknown>[]; readonly total: Record<string, unknown> }

for (const workers of [1, 2]) {
  suite(`with ${workers} worker threads`, () => {
    test('no record has the name of a client, and each is found by it', async (t) => {
      const { run, start, stateFile } = await scene(t, workers)
      assert.equal((await run('secret', 'set', 'client-pseudonyms', '--generate')).status, 0)
      assert.match((await run('explain', 'echo')).stdout, /^recorded +clients by pseudonyms/m)
      const created = await run('key', 'create', 'annabel', '--budget', '150tokens/day')
      const [key] = /gw_\w+/.exec(created.stdout) ?? []
      assert.ok(key !== undefined, created.stderr)
      const gateway = await start()
      const send = (headers = {}) =>
        exchange(
          t,
          gateway.url,
          rawRequest('POST /v1/chat/completions', headers, '{"model":"echo","messages":[]}'),
        )
      const asAnnabel = { authorization: `Bearer ${key}` }
      for (let count = 0; count < 5; count++) await send(asAnnabel)
      for (let count = 0; count < 5; count++) await send()
      await gateway.says(/Rate limit reached for key:p-[0-9a-f]{32} on/)
      const asked = async (headers = {}) => {
        const response = await exchange(t, gateway.url, rawRequest('GET /v1/usage?by=client,key', headers))
        assert.equal(response.status, 200)
        return JSON.parse(response.body().toString()) as Report & {
          sees: string
          client: string
          spending: { of: string }[]
        }
      }
      let own4: Report | undefined
      await until(async () => {
        own4 = await asked(asAnnabel)
        return Number(own4.total['calls']) >= 4
      }, 'the calls in the ledger')
      assert.deepEqual(
        own4!.data.map(({ client, key: name }) => [client, name]),
        [['key:annabel', 'annabel']],
      )
      const all = await asked()
      assert.equal(all.sees, 'all')
      for (const { client } of all.data) assert.match(String(client), pseudonym)
      assert.ok(all.spending.some(({ of }) => /^p-[0-9a-f]{32}$/.test(of)))
      assert.doesNotMatch(JSON.stringify(all), /annabel/)
      await gateway.stop()

      const records = [
        gateway.stdout(),
        stateFile('usage.db'),
        stateFile('audit-names.json'),
        stateFile(`audit-${new Date().toISOString().slice(0, 7)}.jsonl`),
      ]
      for (const record of records) {
        assert.doesNotMatch(record, /annabel/)
        assert.ok(!record.includes(own))
        assert.match(record, /./)
      }
      assert.match(stateFile('audit-names.json'), /"key:p-[0-9a-f]{32}"/)

      const report = await run('usage', '--by', 'client,key', '--client', 'key:annabel', '--format', 'json')
      const { data, total } = JSON.parse(report.stdout) as Report
      assert.deepEqual(
        data.map(({ client, key: name }) => [client, name]),
        [['key:annabel', 'annabel']],
      )
      assert.ok(Number(total['calls']) >= 4)
      assert.match((await run('key', 'list')).stdout, /annabel .* [45] calls/)

      const erased = await run('usage', 'erase', 'key:annabel')
      assert.equal(erased.status, 0, erased.stderr)
      assert.match(
        erased.stdout,
        /key:annabel is now erased-\d+ in the audit log\nkey:annabel is now erased-\d+, erased-\d+ in all rows/,
      )
      const after = await run('usage', '--client', 'key:annabel', '--format', 'json')
      assert.equal((JSON.parse(after.stdout) as Report).total['calls'], 0)
      assert.equal((await run('usage', 'erase', 'key:annabel')).status, 1)
      assert.match((await run('audit', 'verify')).stdout, /intact/)
    })
  })
}

test('without the stored key the gateway does not start, and names the command that stores it', async (t) => {
  const { file, env, run } = await scene(t)
  let text = ''
  const stderr = new Writable({
    write(chunk, _, done) {
      text += String(chunk)
      done()
    },
  })
  const { status } = await run('validate-config')
  assert.equal(status, 1)
  const stdin = process.stdin
  const program = createProgram({
    stdout: new Writable({ write: (_, __, done) => done() }),
    stderr,
    env,
    stdin,
  })
  assert.equal(await program.run(['serve']), 1)
  assert.match(text, /usage\.client_names.*secret not found: looked for secret client-pseudonyms/s)
  assert.match(text, /llm-gateway secret set client-pseudonyms --generate/)
  assert.match((await run('secret', 'list')).stdout, /client-pseudonyms  not stored/)
  const erased = await run('usage', 'erase', own)
  assert.equal(erased.status, 1)
  assert.match(
    erased.stderr,
    /nothing was erased: clients have pseudonyms, and the secret client-pseudonyms is not stored/,
  )
  assert.match(readFileSync(file, 'utf8'), /pseudonym/)
})
