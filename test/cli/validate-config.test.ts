import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { validateConfigCommand } from '../../src/cli/validate-config.ts'
import { recordedIo } from '../support/command-io.ts'
import { writeScratch } from '../support/config-file.ts'

const good = 'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'

interface Options {
  json?: boolean
  env?: NodeJS.ProcessEnv
}

async function run(t: TestContext, text: string, { json = false, env = {} }: Options = {}) {
  const file = writeScratch(t, text)
  const io = recordedIo(env)
  const code = await validateConfigCommand(io, file, { json })
  const plain = (written: string) => written.replaceAll(file, 'FILE')
  return { code, stdout: plain(io.written.stdout), stderr: plain(io.written.stderr) }
}

test('a valid file is told in one line', async (t) => {
  assert.deepEqual(await run(t, good), {
    code: 0,
    stdout: 'FILE is valid: 1 model, 1 provider\n',
    stderr: '',
  })
})

test('each problem has its place, its hint, its line and a caret', async (t) => {
  const { code, stdout, stderr } = await run(t, `server: { prot: 1, port: 0 }\n${good}`)
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.equal(
    stderr,
    `FILE:1:11 server.prot: unknown key "prot" (did you mean "port"?)
  server: { prot: *, port: 0 }
            ^
FILE:1:26 server.port: must be from 1 to 65535, not 0
  server: { prot: *, port: 0 }
                           ^
FILE is not valid: 2 problems
`,
  )
})

test('the caret stands under its column after tabs and wide characters', async (t) => {
  const { stderr } = await run(t, `${good}access: { allowed_ips: ["::1",\t"漢字"] }\n`)
  const [, line, caret] = stderr.split('\n')
  assert.equal(line, '  access: { allowed_ips: ["::1",  "漢字"] }')
  assert.equal(caret?.indexOf('^'), line.indexOf('"漢字"'))
  const wide = await run(t, `providers: { e: { kind: echo } }\nmodels: { 漢字: { provider: x } }\n`)
  const shown = wide.stderr.split('\n')
  assert.equal(shown[2]?.indexOf('^'), shown[1]!.indexOf('x }') + 2)
})

test('of a long line the part around the problem is shown', async (t) => {
  const names = Array.from({ length: 60 }, (_, index) => `"10.0.0.${index}"`).join(', ')
  const { stderr } = await run(t, `${good}access: { allowed_ips: [${names}, nonsense] }\n`)
  const [, line, caret] = stderr.split('\n')
  assert.ok(line!.length < 130)
  assert.equal(line!.slice(caret!.indexOf('^')), 'nonsense] }')
})

test('a literal key is neither in the message nor in the line', async (t) => {
  const text =
    'providers: { p: { base_url: "https://a.example", api_key: sk-hunter2 } }\nmodels: { m: { provider: p } }\n'
  for (const json of [false, true]) {
    const { code, stdout, stderr } = await run(t, text, { json })
    assert.equal(code, 1)
    assert.match(stdout + stderr, /a secret must not be written in this file/)
    assert.doesNotMatch(stdout + stderr, /hunter2/)
  }
})

test('a file can not steer the terminal', async (t) => {
  const { stderr } = await run(t, `${good}"a\\e[2J\u001b[2J": 1\n`)
  assert.ok(!stderr.includes('\u001b'))
})

test('JSON holds every problem', async (t) => {
  const { code, stdout, stderr } = await run(t, `server: { prot: 1 }\n${good}`, { json: true })
  assert.equal(code, 1)
  assert.equal(stderr, '')
  assert.deepEqual(JSON.parse(stdout), {
    file: 'FILE',
    valid: false,
    problems: [
      {
        file: 'FILE',
        line: 1,
        column: 11,
        path: 'server.prot',
        message: 'unknown key "prot"',
        hint: 'did you mean "port"?',
        severity: 'error',
      },
    ],
  })
})

test('JSON of a valid file has no problems', async (t) => {
  const { code, stdout } = await run(t, good, { json: true })
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(stdout), { file: 'FILE', valid: true, problems: [] })
})

test('a warning is told, and the file is valid', async (t) => {
  const { code, stdout, stderr } = await run(t, `${good}cors: { allow_all: true }\n`)
  assert.equal(code, 0)
  assert.match(stderr, /^FILE:3:20 cors\.allow_all: warning: every web page/)
  assert.match(stdout, /is valid/)
})

test('a bad variable is told by its name', async (t) => {
  const { code, stderr } = await run(t, good, { env: { LLM_GATEWAY_PORT: 'x' } })
  assert.equal(code, 1)
  assert.match(stderr, /^env LLM_GATEWAY_PORT: must be a whole number from 0 to 65535, not "x"\n/)
})

test('a file that is not there is told', async () => {
  const io = recordedIo()
  assert.equal(await validateConfigCommand(io, '/nonexistent/x.yaml', { json: false }), 1)
  assert.match(io.written.stderr, /^\/nonexistent\/x\.yaml: there is no such file/)
})
