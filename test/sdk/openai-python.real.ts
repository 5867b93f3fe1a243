// openai-python's own API tests, directly at the mock server that its maintainers use and through the gateway: each ends the
// same, but for those of differences.ts. `test/sdk/prepare.sh DIR` makes the folder that the variable names.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { emptyFolder, start } from '../real/programs.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { unless } from '../support/needs.ts'
import { differences } from './differences.ts'
import { freePort } from '../support/free-port.ts'

const folder = process.env['LLM_GATEWAY_TEST_OPENAI_PYTHON']
const isThere = folder !== undefined && existsSync(join(folder, 'openapi.yml'))
const how = 'set LLM_GATEWAY_TEST_OPENAI_PYTHON to a folder DIR, and: test/sdk/prepare.sh DIR'
const skip = unless(isThere, how)

type Outcomes = ReadonlyMap<string, string>

async function startMock(t: TestContext): Promise<string> {
  const port = await freePort()
  const forms = ['query-array', 'form-array', 'query-object', 'form-object'].map(
    (each) => `--validator-${each}-format=brackets`,
  )
  const args = ['--host', '127.0.0.1', '-p', String(port), ...forms, join(folder!, 'openapi.yml')]
  const steady = join(folder!, 'mock/node_modules/.bin/steady')
  const { ended } = start(t, steady, args, { folder: folder!, env: {} })
  let hasEnded = false
  void ended.then(() => (hasEnded = true))
  const url = `http://127.0.0.1:${port}`
  const isHealthy = () =>
    fetch(`${url}/_x-steady/health`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await isHealthy())) {
    assert.equal(hasEnded, false, (await Promise.race([ended, pause(0)]))?.stderr ?? '')
    await pause(100)
  }
  return url
}

/** What each test came to: `passed`, `failed` or `skipped`. */
async function outcomesAt(t: TestContext, baseUrl: string): Promise<Outcomes> {
  const report = join(emptyFolder(t), 'report.xml')
  const sources = readdirSync(folder!).find((name) => /^openai-\d[\d.]*$/.test(name))!
  const args = ['-m', 'pytest', 'tests/api_resources', '-n', '2', '-q', '-p', 'no:cacheprovider']
  const env = { TEST_API_BASE_URL: baseUrl, HOME: folder! }
  const { ended } = start(t, join(folder!, 'python/bin/python'), [...args, `--junitxml=${report}`], {
    folder: join(folder!, sources),
    env,
  })
  const { status, stdout } = await ended
  assert.ok(status === 0 || status === 1, stdout.slice(-2_000))
  const outcomes = new Map<string, string>()
  const cases = /<testcase classname="tests\.api_resources\.([^"]+)" name="([^"]+)"[^>]*?(\/>|>(?:<(\w+))?)/g
  for (const [, where = '', name = '', , found] of readFileSync(report, 'utf8').matchAll(cases)) {
    const path = where.replaceAll('.', '/').replace(/\/(Test\w+)$/, '.py::$1')
    const outcome = found === 'failure' || found === 'error' ? 'failed' : (found ?? 'passed')
    outcomes.set(`${path}::${name}`, outcome)
  }
  return outcomes
}

test('the API tests of openai-python end through the gateway as they do directly', { skip }, async (t) => {
  const mock = await startMock(t)
  const { gateway } = await startGatewayProcess(t, {
    providers: { mock: { base_url: mock, speaks: ['chat', 'responses'] } },
    models: { '*': { provider: 'mock' } },
    rate_limit_settings: { enabled: false },
    routes: {
      rest: { provider: 'mock' },
      default_model: { images: 'dall-e-2', moderations: 'omni-moderation-latest', responses: 'gpt-4o' },
    },
  })
  gateway.drainInto(() => {})
  const direct = await outcomesAt(t, mock)
  const through = await outcomesAt(t, `${gateway.url}/v1`)
  assert.ok(direct.size > 3_000)
  const different = [...direct].filter(([name, outcome]) => through.get(name) !== outcome)
  const unexpected: string[] = []
  const counts = new Map(differences.map((each) => [each, 0]))
  for (const [name, outcome] of different) {
    const known = differences.find(({ tests }) => tests.test(name))
    if (known === undefined)
      unexpected.push(`${name}: ${outcome} directly, ${through.get(name)} through the gateway`)
    else counts.set(known, counts.get(known)! + 1)
  }
  const same = direct.size - different.length
  t.diagnostic(`${same} of ${direct.size} tests end the same (${((100 * same) / direct.size).toFixed(1)} %)`)
  for (const [{ reason }, count] of counts) t.diagnostic(`${count} do not: ${reason}`)
  assert.deepEqual(unexpected, [])
})
