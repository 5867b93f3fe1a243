// Clients are led to the gateway by files of their own, which keep everything else that is in them.
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { PassThrough } from 'node:stream'

import { connectCommand } from '../../src/cli/connect.ts'
import { clients } from '../../src/cli/connect/clients.ts'
import { isExampleConfig } from '../../src/config/example-config.ts'
import { startGateway } from '../support/app.ts'
import { recordedIo } from '../support/command-io.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { freePort } from '../support/free-port.ts'
import { runCommand } from '../support/run-command.ts'

const gateway = ['--url', 'http://127.0.0.1:4000', '--model', 'qwen-coder'] as const

function homeWith(t: TestContext, files: Readonly<Record<string, string>> = {}) {
  const home = scratchDirectory(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true })
    writeFileSync(join(home, name), text, { mode: 0o640 })
    chmodSync(join(home, name), 0o640)
  }
  return {
    home,
    read: (name: string) => readFileSync(join(home, name), 'utf8'),
    connect: (...args: readonly string[]) =>
      runCommand(['connect', ...args], { env: { HOME: home, PATH: join(home, 'bin') } }),
  }
}

suite('connect CLIENT', () => {
  for (const { name, file } of clients) {
    test(`${name}: prints lines with the address, and changes nothing`, async (t) => {
      const { home, connect } = homeWith(t)
      const { status, stdout, stderr } = await connect(name, ...gateway)
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout, /http:\/\/127\.0\.0\.1:4000/)
      assert.deepEqual(readdirSync(home), [])
    })

    if (file === undefined) continue
    test(`${name}: --write twice is the same as once`, async (t) => {
      const { home, connect } = homeWith(t)
      const first = await connect(name, ...gateway, '--write', '--yes')
      assert.deepEqual([first.status, first.stderr], [0, ''])
      const path = file.path({ home, config: join(home, '.config'), env: {} })
      const text = readFileSync(path, 'utf8')
      assert.match(text, /http:\/\/127\.0\.0\.1:4000/)
      assert.match(text, /qwen-coder/)
      assert.equal(statSync(path).mode & 0o777, 0o600)
      const second = await connect(name, ...gateway, '--write', '--yes')
      assert.equal(second.status, 0)
      assert.match(second.stdout, /already; nothing was changed/)
      assert.equal(readFileSync(path, 'utf8'), text)
      assert.equal(readdirSync(dirname(path)).length, 1, 'no copy of an unchanged file')
    })
  }

  test('the commands that it prints are about the same gateway', async (t) => {
    const { home, connect } = homeWith(t, {
      "o'ther.yaml":
        'keys: { mode: required }\nproviders: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n',
    })
    const file = join(home, "o'ther.yaml")
    chmodSync(file, 0o600)
    const { status, stdout } = await connect('claude', '--config', file, '--model', 'a b')
    assert.equal(status, 0)
    const word = `'${file.replace("'", String.raw`'\''`)}'`
    assert.ok(stdout.includes(` connect claude --config ${word} --model 'a b' --write\n`), stdout)
    assert.ok(stdout.includes(` key create claude --config ${word}; and`), stdout)
  })

  test('keeps what the file has, its mode, and a copy of it as it was', async (t) => {
    const before = `${JSON.stringify({ theme: 'dark', env: { FOO: '1', ANTHROPIC_MODEL: 'opus' }, permissions: { allow: ['Bash'] } }, undefined, 4)}\n`
    const { home, read, connect } = homeWith(t, { '.claude/settings.json': before })
    const { status } = await connect('claude', ...gateway, '--write', '--yes')
    assert.equal(status, 0)
    const after = JSON.parse(read('.claude/settings.json')) as { env: Record<string, string> }
    assert.deepEqual(after, {
      theme: 'dark',
      env: {
        FOO: '1',
        ANTHROPIC_MODEL: 'qwen-coder',
        ANTHROPIC_BASE_URL: 'http://127.0.0.1:4000',
        ANTHROPIC_DEFAULT_HAIKU_MODEL: 'qwen-coder',
        ANTHROPIC_DEFAULT_OPUS_MODEL: 'qwen-coder',
        ANTHROPIC_DEFAULT_SONNET_MODEL: 'qwen-coder',
        ANTHROPIC_AUTH_TOKEN: 'none',
      },
      permissions: { allow: ['Bash'] },
    })
    assert.match(read('.claude/settings.json'), /^ {4}"theme"/m)
    assert.equal(statSync(join(home, '.claude/settings.json')).mode & 0o777, 0o640)
    const copies = readdirSync(join(home, '.claude')).filter((each) => each.includes('.before-'))
    assert.equal(copies.length, 1)
    assert.equal(read(join('.claude', copies[0]!)), before)
  })

  test('writes the file itself where its name is a link', async (t) => {
    const { home, read, connect } = homeWith(t, { 'dotfiles/settings.json': '{}\n' })
    mkdirSync(join(home, '.claude'))
    symlinkSync(join(home, 'dotfiles/settings.json'), join(home, '.claude/settings.json'))
    assert.equal((await connect('claude', ...gateway, '--write', '--yes')).status, 0)
    assert.match(read('dotfiles/settings.json'), /ANTHROPIC_BASE_URL/)
  })

  test(
    "changes nothing of another user, whose file would become root's",
    { skip: process.getuid?.() !== 0 && 'only root may act for others' },
    async (t) => {
      const { home, read, connect } = homeWith(t, { '.claude/settings.json': '{}\n' })
      chownSync(join(home, '.claude/settings.json'), 65_534, 65_534)
      const { status, stderr } = await connect('claude', ...gateway, '--write', '--yes')
      assert.equal(status, 1)
      assert.match(stderr, /belongs to another user; run this as that user/)
      assert.equal(read('.claude/settings.json'), '{}\n')
      chownSync(home, 65_534, 65_534)
      const fresh = await connect('codex', ...gateway, '--write', '--yes')
      assert.equal(fresh.status, 1)
      assert.match(fresh.stderr, /belongs to another user/)
      assert.ok(!existsSync(join(home, '.codex')))
    },
  )

  test(
    'keeps the group of the file',
    { skip: process.getuid?.() !== 0 && 'only root may choose any group' },
    async (t) => {
      const { home, connect } = homeWith(t, { '.claude/settings.json': '{}\n' })
      const file = join(home, '.claude/settings.json')
      chownSync(file, 0, 65_534)
      assert.equal((await connect('claude', ...gateway, '--write', '--yes')).status, 0)
      const { gid, mode } = statSync(file)
      assert.deepEqual([gid, mode & 0o777], [65_534, 0o640])
      assert.match(readFileSync(file, 'utf8'), /ANTHROPIC_BASE_URL/)
    },
  )

  test('shows no key of the file in the diff', async (t) => {
    const key = 'sk-ant-0123456789abcdefghij'
    const text = `{\n  "env": {\n    "ANTHROPIC_API_KEY": "${key}",\n    "ANTHROPIC_AUTH_TOKEN": "plainwordsonly"\n  }\n}\n`
    const { connect } = homeWith(t, { '.claude/settings.json': text })
    const { status, stdout, stderr } = await connect('claude', ...gateway, '--write', '--dry-run')
    assert.equal(status, 0)
    assert.match(stdout, /ANTHROPIC_AUTH_TOKEN/)
    assert.doesNotMatch(stdout + stderr, /sk-ant|plainwords/)
  })

  test('leaves a file alone that it cannot read, and prints what to add', async (t) => {
    const files = {
      '.claude/settings.json': '{ /* mine */ }\n',
      '.codex/config.toml': 'model = "unfinished\n',
      '.aider.conf.yml': 'a: [\n',
      '.continue/config.yaml': 'models: none\n',
    }
    const { read, connect } = homeWith(t, files)
    const names = ['claude', 'codex', 'aider', 'continue']
    for (const [index, [path, before]] of Object.entries(files).entries()) {
      const { status, stderr } = await connect(names[index]!, ...gateway, '--write', '--yes')
      assert.equal(status, 1, path)
      assert.match(stderr, /left as it is\. What belongs in it:\n[^]*127\.0\.0\.1:4000/, path)
      assert.equal(read(path), before)
    }
  })

  test('writes nothing without --yes where nobody is at a terminal, and with --dry-run', async (t) => {
    const { home, connect } = homeWith(t)
    const asked = await connect('claude', ...gateway, '--write')
    assert.equal(asked.status, 1)
    assert.match(asked.stderr, /Nothing was written\. Nobody is at a terminal to confirm it: add --yes\.\n$/)
    const tried = await connect('claude', ...gateway, '--write', '--dry-run')
    assert.equal(tried.status, 0)
    assert.match(tried.stdout, /\+ {4}"ANTHROPIC_BASE_URL"[^]*Nothing was changed \(--dry-run\)\.\n$/)
    assert.ok(!existsSync(join(home, '.claude')))
  })

  test('refuses to write for a client without a file, and prints its variables', async (t) => {
    const { connect } = homeWith(t)
    const { status, stdout, stderr } = await connect('open-webui', ...gateway, '--write', '--yes')
    assert.equal(status, 1)
    assert.match(stderr, /there is no file to write for Open WebUI/)
    assert.match(stdout, /export OPENAI_API_BASE_URL=http:\/\/127\.0\.0\.1:4000\/v1\n/)
  })

  test('has a suggestion for a name that it does not know', async (t) => {
    const { status, stderr } = await homeWith(t).connect('codes', ...gateway)
    assert.equal(status, 1)
    assert.match(stderr, /Did you mean "codex"\?/)
  })

  test('quotes the model of somebody else for the shell', async (t) => {
    const { stdout } = await homeWith(t).connect('qwen', '--url', 'http://127.0.0.1:4000', '--model', 'a; b')
    assert.match(stdout, /export OPENAI_MODEL='a; b'\n/)
  })

  test('refuses an address that is none', async (t) => {
    const { connect } = homeWith(t)
    for (const url of ['localhost:4000', 'http://user:word@127.0.0.1:4000', 'file:///etc']) {
      const { status, stderr } = await connect('claude', '--url', url, '--model', 'm')
      assert.deepEqual([status, /--url must be/.test(stderr)], [1, true], url)
      assert.doesNotMatch(stderr, /word/)
    }
  })
})

suite('connect: what the configuration says', () => {
  const configured = (keys: string) =>
    `server: { port: 4321 }\nproviders:\n  echo: { kind: echo }\n  box: { base_url: "http://127.0.0.1:9/v1" }\n${keys}models:\n  echo: { provider: echo }\n  nomic-embed-text: { provider: box }\n  "box/*": { provider: box }\n  qwen-coder: { provider: box }\n  gemma: { provider: box }\n`

  test('the address, and the first model that answers conversations', async (t) => {
    const { home, connect } = homeWith(t, { '.config/llm-gateway/llm-gateway.yaml': configured('') })
    chmodSync(join(home, '.config/llm-gateway/llm-gateway.yaml'), 0o600)
    const { status, stdout } = await connect('claude')
    assert.equal(status, 0)
    assert.match(stdout, /ANTHROPIC_BASE_URL=http:\/\/127\.0\.0\.1:4321\n[^]*ANTHROPIC_MODEL=qwen-coder\n/)
    assert.match(stdout, /Other models, for --model: gemma\n/)
  })

  test('a key that is required stays out of files, and the line names its variable', async (t) => {
    const text = configured('keys: { mode: required }\n')
    const { home, read, connect } = homeWith(t, { '.config/llm-gateway/llm-gateway.yaml': text })
    chmodSync(join(home, '.config/llm-gateway/llm-gateway.yaml'), 0o600)
    const claude = await connect('claude', '--write', '--yes')
    assert.match(
      claude.stdout,
      /requires a key\. Make one with: \S+ key create claude; .* as ANTHROPIC_AUTH_TOKEN/,
    )
    assert.doesNotMatch(read('.claude/settings.json'), /AUTH_TOKEN/)
    await connect('codex', '--write', '--yes')
    assert.match(read('.codex/config.toml'), /^env_key = "LLM_GATEWAY_KEY"$/m)
    await connect('opencode', '--write', '--yes')
    assert.match(read('.config/opencode/opencode.json'), /"apiKey": "\{env:LLM_GATEWAY_KEY\}"/)
  })

  test('a variable of a provider that is not set hides neither the address nor the models', async (t) => {
    const text = configured('').replace('127.0.0.1:9', '${THE_BOX}:9')
    const { home, connect } = homeWith(t, { '.config/llm-gateway/llm-gateway.yaml': text })
    chmodSync(join(home, '.config/llm-gateway/llm-gateway.yaml'), 0o600)
    const { status, stdout, stderr } = await connect('claude')
    assert.equal(status, 0)
    assert.match(stdout, /:4321\n[^]*ANTHROPIC_MODEL=qwen-coder\n/)
    assert.match(stderr, /^warning: .* has \d+ problems?, which validate-config shows/)
  })

  test('a model that neither the file nor the gateway has is worth a warning, a pattern or an alias is not', async (t) => {
    const { gateway: running } = await startGateway(t)
    const port = new URL(running.url).port
    const text = configured('').replace('4321', port).replace('gemma: {', 'gemma: { aliases: [g],')
    const { home, connect } = homeWith(t, { '.config/llm-gateway/llm-gateway.yaml': text })
    chmodSync(join(home, '.config/llm-gateway/llm-gateway.yaml'), 0o600)
    const { status, stderr } = await connect('claude', '--model', 'gamma')
    assert.equal(status, 0)
    assert.match(stderr, /^warning: neither .* has a model "gamma"\.\n$/)
    for (const name of ['gemma', 'g', 'box/any', 'plain']) {
      assert.equal((await connect('claude', '--model', name)).stderr, '', name)
    }
  })

  test("models of the example are nobody's choice, wherever it was installed", async (t) => {
    const example = readFileSync(join(import.meta.dirname, '../../config/llm-gateway.yaml'), 'utf8')
    const installed = example
      .replace('./llm-gateway.schema.json', '/usr/lib/llm-gateway/config/llm-gateway.schema.json')
      .replace('allowed_users: [self] ', 'allowed_users: [root] ')
      .replace('port: 4000', `port: ${await freePort()}`)
    const { home, connect } = homeWith(t, { '.config/llm-gateway/llm-gateway.yaml': installed })
    chmodSync(join(home, '.config/llm-gateway/llm-gateway.yaml'), 0o600)
    // With a port of its own it is somebody's choice.
    assert.equal((await connect('claude')).status, 0)
    assert.ok(isExampleConfig(installed.replace(/port: \d+/, 'port: 4000')))
    assert.ok(!isExampleConfig(installed))
  })

  test('Enter agrees to a change that was shown, the end of the input does not', async (t) => {
    for (const [typed, expected] of [
      ['\n', 0],
      ['n\n', 1],
      [undefined, 1],
    ] as const) {
      const { home } = homeWith(t)
      const io = recordedIo({ HOME: home })
      const stdin = Object.assign(new PassThrough(), { isTTY: true })
      const stdout = {
        write(text: string) {
          io.stdout.write(text)
          if (!text.endsWith('[Y/n] ')) return
          if (typed === undefined) stdin.end()
          else stdin.write(typed)
        },
      }
      const options = { url: gateway[1], model: gateway[3], isWritten: true, isDryRun: false, yes: false }
      assert.equal(await connectCommand({ ...io, stdin, stdout }, 'claude', options, 0), expected)
      assert.equal(existsSync(join(home, '.claude/settings.json')), expected === 0)
    }
  })

  test('a gateway that runs lists its models where the configuration names none', async (t) => {
    const { gateway: running } = await startGateway(t)
    const text = 'providers: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n'
    const { home, connect } = homeWith(t, { '.config/llm-gateway/llm-gateway.yaml': text })
    chmodSync(join(home, '.config/llm-gateway/llm-gateway.yaml'), 0o600)
    const { status, stdout } = await connect('openai', '--url', running.url)
    assert.equal(status, 0)
    assert.match(stdout, /Other models, for --model: .*plain/)
    const none = await connect('openai', '--url', 'http://127.0.0.1:9')
    assert.equal(none.status, 1)
    assert.match(none.stderr, /Name one with --model/)
  })
})

suite('connect without a client', () => {
  test('lists the clients, what is installed, and what leads to the gateway already', async (t) => {
    const { home, connect } = homeWith(t, { 'bin/codex': '#!/bin/sh\n', 'bin/aider': 'not a program\n' })
    chmodSync(join(home, 'bin/codex'), 0o755)
    mkdirSync(join(home, '.claude'))
    await connect('codex', '--url', 'http://127.0.0.1:4000', '--model', 'm', '--write', '--yes')
    const { status, stdout } = await connect('--json', '--url', 'http://127.0.0.1:4000')
    assert.equal(status, 0)
    const { url, clients: listed } = JSON.parse(stdout) as { url: string; clients: Record<string, unknown>[] }
    assert.equal(url, 'http://127.0.0.1:4000')
    const of = (name: string) => listed.find((each) => each['name'] === name)
    assert.deepEqual(of('codex'), {
      name: 'codex',
      title: 'Codex',
      program: join(home, 'bin/codex'),
      is_installed: true,
      file: join(home, '.codex/config.toml'),
      is_connected: true,
    })
    assert.deepEqual([of('claude')!['is_installed'], of('claude')!['is_connected']], [true, false])
    assert.equal(of('aider')!['is_installed'], false)
    const table = await connect()
    assert.equal(table.status, 0)
    assert.match(table.stdout, /^codex +Codex +\S+bin\/codex +connected/m)
  })
})
