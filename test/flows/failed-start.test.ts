// Starts that fail, with status 1 and what is wrong, and command lines that are wrong, with status 2. The command runs
// in this process, because a process of its own takes longer than all of it.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { createProgram } from '../../src/cli/program.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const texts = { stdout: '', stderr: '' }
  const stdout = new PassThrough().on('data', (text: Buffer) => (texts.stdout += String(text)))
  const stderr = new PassThrough().on('data', (text: Buffer) => (texts.stderr += String(text)))
  const status = await createProgram({ stdout, stderr, env: { LLM_GATEWAY_PORT: '0', ...env } }).run(args)
  await Promise.all([finished(stdout.end()), finished(stderr.end())])
  return { status, ...texts }
}

function configFile(t: TestContext, yaml: string, mode = 0o600): string {
  return writeScratch(t, yaml, { mode })
}

const echoOnly = `
server: { hosts: [127.0.0.1] }
providers: { echo: { kind: echo } }
models: { echo: { provider: echo } }
`

test('a port that is in use is an error that says what to do', async (t) => {
  const { port } = new URL((await startUpstream(t)).url)
  const { status, stderr } = await run(['serve', '-c', configFile(t, echoOnly)], { LLM_GATEWAY_PORT: port })

  assert.equal(status, 1)
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port} is in use.*LLM_GATEWAY_PORT`))
  assert.doesNotMatch(stderr, /\n {4}at /, 'no stack')
})

/** Configurations that can't be used, and what is said of them. */
const broken: readonly [string, (t: TestContext) => string, RegExp][] = [
  [
    'no file',
    (t) => join(scratchDirectory(t), 'none.yaml'),
    /none\.yaml.*(no such file|not exist|not found)/i,
  ],
  ['a folder', (t) => scratchDirectory(t), /llm-gateway-test-/],
  ['an empty file', (t) => configFile(t, ''), /llm-gateway\.yaml/],
  ['no YAML', (t) => configFile(t, 'server: [\n'), /llm-gateway\.yaml:\d+:\d+/],
  ['an unknown key', (t) => configFile(t, `${echoOnly}servers: {}\n`), /:5:1.*servers.*server/],
  ['a wrong type', (t) => configFile(t, `${echoOnly}cors: { enabled: maybe }\n`), /:5:18.*cors\.enabled/],
  [
    'an unknown provider',
    (t) => configFile(t, echoOnly.replace('provider: echo', 'provider: ecko')),
    /:4:\d+.*ecko.*echo/,
  ],
  ['a duplicate key', (t) => configFile(t, `${echoOnly}server: {}\n`), /:5:1.*server/],
  ['write permission for others', (t) => configFile(t, echoOnly, 0o666), /chmod|written by|writable/],
  ['a key that stands in it', (t) => configFile(t, keyed('"sk-1234567890"')), /api_key/],
]

function keyed(key: string): string {
  return `
providers: { scripted: { base_url: "http://127.0.0.1:9/v1", api_key: ${key} } }
models: { plain: { provider: scripted } }
`
}

for (const [what, place, message] of broken) {
  test(`${what} for a configuration ends the start with status 1 and its place`, async (t) => {
    const { status, stdout, stderr } = await run(['serve', '-c', place(t)])
    assert.equal(status, 1)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /\n {4}at |sk-1234567890/, 'no stack and no key')
    assert.equal(stdout, '')
  })
}

test('all problems of a configuration are told at once', async (t) => {
  const yaml = `${echoOnly}cors: { enabled: maybe }\nservers: {}\nlogging: { level: loud }\n`
  const { status, stderr } = await run(['serve', '-c', configFile(t, yaml)])
  assert.equal(status, 1)
  for (const place of [':5:', ':6:', ':7:']) assert.ok(stderr.includes(place), stderr)
})

/** Credentials that can't be had. The secret itself must never be shown. */
const credentials: readonly [string, (folder: string) => { key: string; env?: NodeJS.ProcessEnv }, RegExp][] =
  [
    ['an unset variable', () => ({ key: '{ env: SOME_KEY }' }), /SOME_KEY/],
    ['an empty variable', () => ({ key: '{ env: SOME_KEY }', env: { SOME_KEY: '' } }), /SOME_KEY/],
    [
      'a variable of two lines',
      () => ({ key: '{ env: SOME_KEY }', env: { SOME_KEY: 'hush\nhush' } }),
      /SOME_KEY.*line/,
    ],
    ['a missing file', (folder) => ({ key: `{ file: "${folder}/none" }` }), /\/none/],
    [
      'a file that others may read',
      (folder) => {
        writeFileSync(join(folder, 'key'), 'hush', { mode: 0o644 })
        return { key: `{ file: "${folder}/key" }` }
      },
      /\/key.*(chmod|0?600|others)/,
    ],
    [
      'a folder',
      (folder) => {
        mkdirSync(join(folder, 'key'), { mode: 0o700 })
        return { key: `{ file: "${folder}/key" }` }
      },
      /\/key/,
    ],
    ['a credential of no unit', () => ({ key: '{ credential: openai_api_key }' }), /openai_api_key/],
  ]

for (const [what, prepare, message] of credentials) {
  test(`${what} in place of a key ends the start with status 1 and its name`, async (t) => {
    const { key, env } = prepare(scratchDirectory(t))
    const { status, stderr } = await run(['serve', '-c', configFile(t, keyed(key))], env)
    assert.equal(status, 1)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /\n {4}at |hush/, 'no stack and no key')
  })
}

const version = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version

const commandLines: readonly [readonly string[], number, 'stdout' | 'stderr', RegExp][] = [
  [['--help'], 0, 'stdout', /serve[^]*validate-config[^]*explain[^]*Exit status/],
  [['serve', '--help'], 0, 'stdout', /--config/],
  [['--version'], 0, 'stdout', new RegExp(`^${version.replaceAll('.', '\\.')}\\n$`)],
  [['sevre'], 2, 'stderr', /unknown command 'sevre'[^]*serve/],
  [['serve', '--prot', '1'], 2, 'stderr', /unknown option '--prot'/],
  [['serve', '--config'], 2, 'stderr', /argument missing/],
  [['serve', 'extra.yaml'], 2, 'stderr', /too many arguments for 'serve'; .* --config FILE$/m],
  [['doctor', 'extra.yaml'], 2, 'stderr', /too many arguments for 'doctor'; .* --config FILE$/m],
  [
    ['credential', 'set', 'openai', 'hush'],
    2,
    'stderr',
    /^(?![^]*hush).*too many arguments for 'set'; a key is typed/,
  ],
  [['credential', 'set', 'openai', '--key=hush'], 2, 'stderr', /^(?![^]*hush).*unknown option '--key'/],
  [['explain'], 2, 'stderr', /missing required argument 'model'/],
  [[], 2, 'stderr', /Usage: llm-gateway/],
]

for (const [args, status, stream, message] of commandLines) {
  test(`llm-gateway ${args.join(' ')} ends with status ${status}`, async () => {
    const ended = await run(args)
    assert.equal(ended.status, status)
    assert.match(ended[stream], message)
    assert.equal(ended[stream === 'stdout' ? 'stderr' : 'stdout'], '')
  })
}
