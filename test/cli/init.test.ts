// A first configuration from what runs: asked for, or with --yes; calls go through it.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { suite, test } from 'node:test'

import { initCommand } from '../../src/cli/init.ts'
import { findClouds, unusedKeys } from '../../src/cli/init/clouds.ts'
import { firstConfig } from '../../src/cli/init/first-config.ts'
import { findLocalServers, usualPlaces } from '../../src/cli/init/local-servers.ts'
import { checkConfigText } from '../../src/config/load.ts'
import type { RunProgram } from '../../src/systemd/programs.ts'
import { post } from '../support/calls.ts'
import { recordedIo } from '../support/command-io.ts'
import { ownAccounts } from '../support/config-file.ts'
import { runGateway } from '../support/gateway-process.ts'
import { refusingUrl, startUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { cloudKey, noManager, scene } from './init/scene.ts'

/** A manager that does all that it is asked. */
function manager() {
  const asked: string[] = []
  const run: RunProgram = (program, words) => {
    asked.push([program, ...words].join(' '))
    return { status: 0, stdout: words.includes('is-system-running') ? 'degraded\n' : '', stderr: '' }
  }
  return { asked, run }
}

suite('init', () => {
  test('--yes writes a configuration through which a call reaches the server that was found', async (t) => {
    const { ollama, file, init } = await scene(t)
    const { status, stdout, stderr } = await init({ yes: true })
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /Ollama at http:\/\/127\.0\.0\.1:\d+\/v1: 2 models\n/)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const gateway = await runGateway(t, readFileSync(file, 'utf8'))
    const response = await post(gateway, { model: 'qwen3:8b', messages: [{ role: 'user', content: 'hi' }] })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('x-llm-gateway-provider'), 'ollama')
    const call = ollama.requests.find(({ target }) => target === '/v1/chat/completions')
    assert.equal((JSON.parse(call!.body.toString()) as { model: string }).model, 'qwen3:8b')
  })

  test('--yes stores keys of the environment for the service, and shows none', async (t) => {
    const { home, file, init } = await scene(t)
    const variables = { OPENROUTER_API_KEY: cloudKey, OPENAI_API_KEY: 'none' }
    const { status, stdout, stderr } = await init({ yes: true }, variables, manager().run)
    assert.equal(status, 0, stderr)
    assert.match(stdout, /a key for openrouter in OPENROUTER_API_KEY\n/)
    const text = readFileSync(file, 'utf8')
    assert.doesNotMatch(stdout + stderr + text, /of-a-cloud/)
    assert.match(text, /api_key: \{ credential: openrouter_api_key, env: OPENROUTER_API_KEY \}/)
    assert.doesNotMatch(text, /openai/)
    const stored = join(home, '.config/llm-gateway/credentials/openrouter_api_key')
    assert.equal(readFileSync(stored, 'utf8'), cloudKey)
    assert.equal(statSync(stored).mode & 0o777, 0o600)
    const dropIn = join(home, '.config/systemd/user/llm-gateway.service.d/50-credentials.conf')
    assert.match(readFileSync(dropIn, 'utf8'), /^LoadCredential=openrouter_api_key:/m)
  })

  for (const [what, flags, line] of [
    [
      'without a service, they stay in the environment',
      { service: false },
      '  openrouter: { base_url: "https://openrouter.ai/api/v1", api_key: { env: OPENROUTER_API_KEY } }',
    ],
    [
      'with --no-keys, the service starts without the cloud',
      { keys: false },
      '  # openrouter: { base_url: "https://openrouter.ai/api/v1", api_key: { credential: openrouter_api_key, env: OPENROUTER_API_KEY } }',
    ],
  ] as const) {
    test(`keys: ${what}`, async (t) => {
      const { home, file, init } = await scene(t)
      const { status } = await init({ yes: true, ...flags }, { OPENROUTER_API_KEY: cloudKey }, manager().run)
      assert.equal(status, 0)
      assert.ok(readFileSync(file, 'utf8').split('\n').includes(line))
      assert.ok(!existsSync(join(home, '.config/llm-gateway/credentials/openrouter_api_key')))
    })
  }

  test('asks five questions at most', async (t) => {
    const { home, file, port, env } = await scene(t, ['llama3.1:8b', 'qwen3:8b'])
    const io = recordedIo({ ...env, OPENROUTER_API_KEY: cloudKey })
    const stdin = Object.assign(new PassThrough(), { isTTY: true })
    const asked: string[] = []
    const stdout = {
      write: (text: string) => {
        if (text.endsWith('] ')) {
          asked.push(text)
          stdin.write('\n')
        }
      },
    }
    const flags = { user: true, service: true, keys: true, port }
    assert.equal(await initCommand({ ...io, stdout, stdin }, flags, manager().run), 0)
    assert.deepEqual(asked, [
      'Use these? [Y/n] ',
      'Which one do clients call unless they name another? [1] ',
      'Install the systemd service? It starts at the first call, and again after a reboot. [Y/n] ',
      'Store OPENROUTER_API_KEY as credentials of the service? [Y/n] ',
      `Write ${file}? [Y/n] `,
    ])
    assert.ok(existsSync(join(home, '.config/llm-gateway/credentials/openrouter_api_key')))
    assert.match(readFileSync(file, 'utf8'), /^ {2}"llama3\.1:8b": \{ provider: ollama \}$/m)
  })

  test('asks again for a model until one of the list is named', async (t) => {
    const { file, port, env } = await scene(t, ['llama3.1:8b', 'qwen3:8b'])
    const io = recordedIo(env)
    const stdin = Object.assign(new PassThrough(), { isTTY: true })
    const answers = ['3', 'qwen', '2']
    let shown = ''
    const stdout = {
      write: (text: string) => {
        shown += text
        if (text.endsWith('another? [1] ')) stdin.write(`${answers.shift()}\n`)
        else if (text.endsWith('] ')) stdin.write('\n')
      },
    }
    const flags = { user: true, service: true, keys: true, port }
    assert.equal(await initCommand({ ...io, stdout, stdin }, flags, noManager), 0)
    assert.deepEqual(answers, [])
    assert.equal(shown.split('A number from 1 to 2, or one of these names.\n').length, 3)
    assert.match(readFileSync(file, 'utf8'), /^ {2}"qwen3:8b": \{ provider: ollama \}$/m)
  })

  test('a key that cannot be stored is reported, with the way on', async (t) => {
    const { home, init } = await scene(t)
    const directory = join(home, '.config/llm-gateway/credentials')
    mkdirSync(join(directory, '..'), { recursive: true })
    writeFileSync(directory, '')
    const { asked, run } = manager()
    const { status, stderr } = await init({ yes: true }, { OPENROUTER_API_KEY: cloudKey }, run)
    assert.equal(status, 1)
    assert.ok(stderr.startsWith(`error: keys could not be stored in ${directory} (`), stderr)
    assert.match(stderr, / credential set openrouter --user\n.* systemd install --user\n$/)
    assert.doesNotMatch(stderr, /of-a-cloud/)
    assert.ok(!asked.some((command) => command.includes('enable')))
  })

  test('--dry-run prints the configuration alone, and changes nothing', async (t) => {
    const { home, init } = await scene(t)
    const { status, stdout } = await init({ dryRun: true })
    assert.equal(status, 0)
    assert.ok(checkConfigText('f', stdout, { env: {}, accounts: ownAccounts }).ok)
    assert.deepEqual(readdirSync(home), ['bin'])
  })

  test('changes no configuration that is there', async (t) => {
    const { file, init } = await scene(t)
    assert.equal((await init({ yes: true })).status, 0)
    writeFileSync(file, 'mine: true\n')
    const { status, stderr } = await init({ yes: true })
    assert.equal(status, 1)
    assert.match(stderr, /exists, and init changes no configuration/)
    assert.equal(readFileSync(file, 'utf8'), 'mine: true\n')
  })

  test('replaces the example that an installation has left, and keeps a copy', async (t) => {
    const { file, init } = await scene(t)
    const example = readFileSync(join(import.meta.dirname, '../../config/llm-gateway.yaml'), 'utf8')
    const installed = example.replace('allowed_users: [self] ', 'allowed_users: [root] ')
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, installed, { mode: 0o644 })
    const { status, stdout, stderr } = await init({ yes: true })
    assert.deepEqual([status, stderr], [0, ''])
    const [, copy = ''] = /The example that was there: (\S+)\.\n/.exec(stdout) ?? []
    assert.equal(readFileSync(copy, 'utf8'), installed)
    assert.match(readFileSync(file, 'utf8'), /Written by `llm-gateway init`/)
    writeFileSync(file, `${installed}# mine\n`)
    assert.equal((await init({ yes: true })).status, 1)
    assert.equal(readFileSync(file, 'utf8'), `${installed}# mine\n`)
  })

  test('without a terminal and --yes it asks nobody', async (t) => {
    const { home, init } = await scene(t)
    const { status, stderr } = await init({})
    assert.equal(status, 1)
    assert.match(stderr, /nobody is at a terminal/)
    assert.deepEqual(readdirSync(home), ['bin'])
  })

  test('prints the lines for the clients that are installed', async (t) => {
    const { home, init } = await scene(t)
    writeFileSync(join(home, 'bin/claude'), '#!/bin/sh\n')
    chmodSync(join(home, 'bin/claude'), 0o755)
    const { stdout } = await init({ yes: true })
    assert.match(
      stdout,
      /\nClaude Code\n {2}export ANTHROPIC_BASE_URL=http:\/\/127\.0\.0\.1:\d+\n[^]*ANTHROPIC_MODEL=qwen3:8b\n/,
    )
    assert.doesNotMatch(stdout, /opencode/)
  })

  test('leads no client to a model whose name the client would expand', async (t) => {
    const { init, home, file } = await scene(t, ['0{file:~/.ssh/id_ed25519}', 'qwen3:8b'])
    const program = join(home, 'bin/opencode')
    writeFileSync(program, '#!/bin/sh\n')
    chmodSync(program, 0o755)
    const { status, stdout, stderr } = await init({ yes: true })
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^opencode$/m)
    assert.doesNotMatch(stdout, /\{file:/)
    assert.match(readFileSync(file, 'utf8'), /"qwen3:8b"/)
  })

  for (const name of ['echo', '__proto__', 'constructor']) {
    test(`a server that lists a model "${name}" does not keep init from writing`, async (t) => {
      const { init, file } = await scene(t, [name])
      const { status, stderr } = await init({ yes: true })
      assert.equal(status, 0, stderr)
      assert.ok(existsSync(file))
    })
  }

  test('installs the service where a manager runs', async (t) => {
    const { home, init } = await scene(t)
    const { asked, run } = manager()
    const { status, stdout, stderr } = await init({ yes: true }, {}, run)
    assert.equal(status, 0, stdout + stderr)
    assert.ok(asked.includes('systemctl --user enable llm-gateway.socket'), asked.join('\n'))
    assert.ok(existsSync(join(home, '.config/systemd/user/llm-gateway.socket')))
  })
})

suite('what is found', () => {
  test('servers, by what their lists show', async (t) => {
    const lists = {
      'llama.cpp': {
        data: [{ id: 'm.gguf', object: 'model', owned_by: 'llamacpp', meta: { n_ctx_train: 1 } }],
      },
      other: { data: [{ id: 'x', object: 'model' }] },
      page: '<html>',
    }
    const places = await Promise.all(
      Object.values(lists).map(async (list) => {
        const upstream = await startUpstream(t)
        upstream.respondAlways(json(200, list))
        return { title: 'vLLM', address: upstream.url.slice('http://'.length) }
      }),
    )
    const locked = await startUpstream(t)
    locked.respondAlways(json(401, { error: 'key' }))
    const gone = { title: 'Ollama', address: (await refusingUrl(t)).slice('http://'.length) }
    const { servers, unreadable } = await findLocalServers([
      ...places,
      places[1]!,
      { title: 'LM Studio', address: locked.url.slice('http://'.length) },
      gone,
    ])
    assert.deepEqual(
      servers.map(({ name, kind, models }) => [name, kind, models]),
      [
        ['llama-cpp', 'llama_cpp', ['m.gguf']],
        ['local', undefined, ['x']],
        ['local-2', undefined, ['x']],
      ],
    )
    assert.deepEqual(
      unreadable.map(({ title, reason }) => [title, reason]),
      [['LM Studio', 'it requires a key']],
    )
  })

  test("Ollama's own variable, unless it leads to another machine", () => {
    const of = (value: string) => usualPlaces({ OLLAMA_HOST: value })[0]!.address
    assert.equal(of('0.0.0.0'), '127.0.0.1:11434')
    assert.equal(of('http://localhost:9'), '127.0.0.1:9')
    assert.equal(of('[::1]:7'), '[::1]:7')
    assert.equal(of('192.168.1.5:11434'), '127.0.0.1:11434')
  })

  test('keys by their variables, but no placeholders and no keys of other servers', () => {
    const names = (env: NodeJS.ProcessEnv) => findClouds(env).map(({ variable }) => variable)
    assert.deepEqual(names({ OPENAI_API_KEY: cloudKey, GOOGLE_API_KEY: cloudKey }), [
      'GOOGLE_API_KEY',
      'OPENAI_API_KEY',
    ])
    assert.deepEqual(names({ OPENAI_API_KEY: 'none', ANTHROPIC_API_KEY: '' }), [])
    assert.deepEqual(names({ OPENAI_API_KEY: cloudKey, OPENAI_BASE_URL: 'http://127.0.0.1:4000/v1' }), [])
  })

  test('a key that is too short to be one is named, not shown', () => {
    const short = 'sk-short'
    const unused = unusedKeys({ OPENAI_API_KEY: short, GROQ_API_KEY: 'none', MISTRAL_API_KEY: cloudKey })
    assert.deepEqual(unused, [
      { variable: 'GROQ_API_KEY', reason: 'has fewer than 16 characters, so it is taken for no key' },
      { variable: 'OPENAI_API_KEY', reason: 'has fewer than 16 characters, so it is taken for no key' },
    ])
    assert.deepEqual(unusedKeys({ OPENAI_API_KEY: 'none', OPENAI_BASE_URL: 'http://127.0.0.1:4000' }), [])
    assert.deepEqual(unusedKeys({ XAI_API_KEY: '' }), [])
  })

  test('every cloud and every way of its key makes a valid configuration', () => {
    const env = Object.fromEntries(
      [
        'ANTHROPIC',
        'CEREBRAS',
        'DEEPSEEK',
        'FIREWORKS',
        'GEMINI',
        'GROQ',
        'MISTRAL',
        'OPENAI',
        'OPENROUTER',
        'TOGETHER',
        'XAI',
      ].map((name) => [`${name}_API_KEY`, cloudKey]),
    )
    const clouds = findClouds(env)
    assert.equal(clouds.length, 11)
    const server = {
      name: 'ollama',
      title: 'Ollama',
      baseUrl: 'http://127.0.0.1:11434/v1',
      kind: 'ollama',
      models: [],
    } as const
    for (const keys of ['stored', 'environment', 'missing'] as const) {
      const model = { name: 'hf.co/a"b:Q4', provider: 'ollama' }
      const parts = {
        schema: '/x.json',
        port: 4000,
        servers: [server],
        clouds,
        keys,
        model,
        allowedUsers: undefined,
      }
      const checked = checkConfigText('f', firstConfig(parts), { env, accounts: ownAccounts })
      assert.deepEqual(checked.ok ? checked.warnings : checked.problems, [], keys)
      assert.ok(checked.ok && checked.config.models.has(model.name))
    }
  })
})
