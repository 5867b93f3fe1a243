// The first steps of docs/services.md, as they are written, with a program in the place of llama.cpp's server.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { missing } from '../support/needs.ts'
import { configFile, home, noUserManager, startUserManager, writeConfig } from '../support/user-manager.ts'

const skip = noUserManager() || missing('python3', 'curl')

/** Requires the key of its environment, as llama.cpp does. */
const server = `#!/usr/bin/python3
import http.server, json, os, socketserver

class Answer(http.server.BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, {'status': 'ok', 'object': 'list', 'data': [{'id': os.environ['LLAMA_ARG_ALIAS']}]})

    def do_POST(self):
        self.rfile.read(int(self.headers['content-length']))
        if self.headers['authorization'] != 'Bearer ' + os.environ['LLAMA_API_KEY']:
            return self.answer(401, {'error': {'message': 'Invalid API Key', 'code': 401}})
        self.answer(200, {'object': 'text_completion', 'choices': [{'index': 0, 'text': 'hi', 'finish_reason': 'stop'}]})

class Server(socketserver.TCPServer):
    allow_reuse_address = True

Server(('127.0.0.1', int(os.environ['LLAMA_ARG_PORT'])), Answer).serve_forever()
`

/** The blocks of the first steps, in their order, without their indent. */
function steps(language: string): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/services.md'), 'utf8')
  const section = text.slice(text.indexOf('## First steps')).split('\n### ')[0] ?? ''
  return Array.from(
    section.matchAll(new RegExp('   ```' + language + '\n([^]*?)   ```', 'g')),
    ([, block = '']) => block.replaceAll(/^ {3}/gm, ''),
  )
}

/** A configuration with the lines of an excerpt below its own keys of the same names. */
function withEntries(config: string, excerpt: string): string {
  return Array.from(excerpt.matchAll(/^(\w+:\n)((?: .*\n)+)/gm)).reduce((text, [, key = '', lines = '']) => {
    assert.ok(text.includes(`\n${key}`), key)
    return text.replace(`\n${key}`, () => `\n${key}${lines}`)
  }, config)
}

test(
  'the first steps lead from nothing to an answer of a server that systemd has started',
  { skip },
  async (t) => {
    const [unit, environment, byHand, install, gateway, call] = steps('sh')
    const [config] = steps('yaml')
    assert.ok(unit && environment && byHand && install && gateway && call && config)
    const manager = await startUserManager(t)
    const own = (text: string) => text.replaceAll('/home/you', home)
    const run = (commands: string) => `set -e; cd llm-gateway\n${commands}`
    await manager.ok(
      'mkdir -p llama.cpp/build/bin; cat >llama.cpp/build/bin/llama-server; chmod +x llama.cpp/build/bin/*',
      { input: server },
    )

    await manager.ok(run(unit))
    await manager.ok('umask 077; cat >.config/llama-server/qwen.env', { input: own(environment) })
    // A journal in memory is not split by users, so hers is not her own.
    await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
    assert.match(await manager.ok(run(byHand)), /"status": "ok"/)
    const isActive = 'systemctl --user is-active llama-server@qwen'
    assert.equal((await manager.sh(isActive)).stdout, 'inactive\n')

    await manager.ok(run(install))
    await writeConfig(manager, withEntries(await manager.ok(`cat ${configFile}`), config))
    const key = /LLAMA_API_KEY=(.+)/.exec(environment)?.[1]
    await manager.ok(run(gateway), { input: `${key}\n` })
    assert.equal((await manager.sh(isActive)).stdout, 'inactive\n')

    const [request = ''] = call.split('\n')
    assert.match(await manager.ok(run(request)), /"text": "hi"/)
    assert.equal((await manager.sh(isActive)).stdout, 'active\n')
  },
)
