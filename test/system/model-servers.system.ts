// The example units of model servers, tried out: a program in the place of each server reports what its sandbox lets it do.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { until } from '../support/deadline.ts'
import { startMachine } from '../support/machine.ts'
import { missing } from '../support/needs.ts'
import { home, noUserManager, runtimeDirectory, startUserManager } from '../support/user-manager.ts'
import type { RunOptions, UserManager } from '../support/user-manager.ts'

const skip = noUserManager() || missing('python3')

/** Whose units: those of the user `gateway`, or of the machine. */
interface Scope {
  readonly units: string
  readonly config: string
  readonly models: string
  readonly systemctl: string
  readonly options: RunOptions
}

const user: Scope = {
  units: `${home}/.config/systemd/user`,
  config: `${home}/.config`,
  models: `${home}/models`,
  systemctl: 'systemctl --user',
  options: {},
}

const system: Scope = {
  units: '/etc/systemd/system',
  config: '/etc',
  // What is below /usr/local is private to the machine of the test.
  models: '/usr/local/models',
  systemctl: 'systemctl',
  options: { isRoot: true },
}

/** Serves what its sandbox lets it do, until it is ended. */
const server = `#!/usr/bin/python3
import http.server, json, os, socket, socketserver, sys

def works(action):
    try:
        action()
        return True
    except OSError:
        return False

def connects(path):
    return works(lambda: socket.socket(socket.AF_UNIX).connect(path))

def opens(family):
    kind = socket.SOCK_RAW if family in ('AF_NETLINK', 'AF_PACKET') else socket.SOCK_STREAM
    return works(lambda: socket.socket(getattr(socket, family), kind))

def sends(address):
    return works(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (address, 9)))

status = dict(line.rstrip('\\n').split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)
facts = {
    'arguments': sys.argv[1:],
    'home': os.environ['HOME'],
    'reads': [path for path in (
        '${home}/.ssh/id', '${home}/.netrc', '${home}/.config/llm-gateway/key', '${home}/models/weights', '/usr/local/models/weights',
    ) if works(lambda: open(path).read())],
    'writes': [path for path in (
        '${home}/.config', '${home}/models', '${home}/.ollama', '/usr/local/models', '/etc', '/usr', '/var/lib',
        os.environ['HOME'],
    ) if works(lambda: open(path + '/probe', 'w').close())],
    'connects': [path for path in (
        '${runtimeDirectory}/bus', '${runtimeDirectory}/systemd/private', '/run/systemd/private', '/run/systemd/notify',
    ) if connects(path)],
    'privileges': [status[name].strip() for name in ('NoNewPrivs', 'Seccomp', 'CapBnd', 'CapEff')],
    'families': [family for family in (
        'AF_INET', 'AF_INET6', 'AF_UNIX', 'AF_NETLINK', 'AF_PACKET', 'AF_VSOCK',
    ) if opens(family)],
    'sends': [address for address in ('127.0.0.1', '10.99.99.99') if sends(address)],
    'keep_alive': os.environ.get('OLLAMA_KEEP_ALIVE'),
}

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(facts).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

port = os.environ.get('LLAMA_ARG_PORT') or os.environ.get('SERVE_PORT') or '11434'
# HTTPServer would look its own name up first.
socketserver.TCPServer(('127.0.0.1', int(port)), Answer).serve_forever()
`

interface Facts {
  readonly arguments: readonly string[]
  readonly home: string
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly connects: readonly string[]
  readonly privileges: readonly string[]
  readonly families: readonly string[]
  readonly sends: readonly string[]
  readonly keep_alive: string | null
}

const examples = `${home}/llm-gateway/systemd/examples`

/** Puts the examples where their comments say, and the probe where the servers would be. */
async function install(manager: UserManager, scope: Scope): Promise<void> {
  const { options, units, config, models, systemctl } = scope
  await manager.ok(
    `mkdir -p ${home}/.ssh ${home}/.ollama ${home}/.config/llm-gateway ${home}/.local/bin ${home}/models
    echo x | tee ${home}/.ssh/id ${home}/.netrc ${home}/.config/llm-gateway/key`,
  )
  await manager.ok(
    `mkdir -p ${units} ${config}/llama-server ${config}/vllm ${models}/bin
    cp ${examples}/llama-server@.service ${examples}/vllm@.service ${examples}/models.slice ${units}
    echo x >${models}/weights
    echo LLAMA_ARG_PORT=8081 >${config}/llama-server/qwen.env
    printf '%s\\n' SERVE_PORT=8091 'SERVE_MODEL=/my models/qwen' 'SERVE_OPTIONS=--max-model-len 4096' >${config}/vllm/qwen.env
    echo PATH=${models}/bin:/usr/bin:/bin | tee -a ${config}/llama-server/qwen.env ${config}/vllm/qwen.env
    cat >${models}/bin/llama-server; cp ${models}/bin/llama-server ${models}/bin/vllm
    chmod -R a+rX ${models}; chmod 755 ${models}/bin/*
    ${systemctl} daemon-reload`,
    { ...options, input: server },
  )
}

/** What the server on the port has found; it is asked until it answers. */
async function factsOf(manager: UserManager, port: number): Promise<Facts> {
  const ask = () => manager.sh(`curl -sS --max-time 5 http://127.0.0.1:${port}/health`)
  await until(async () => (await ask()).status === 0, `an answer on port ${port}`)
  return JSON.parse((await ask()).stdout) as Facts
}

/** An address that no filter takes for loopback. */
const otherAddress = 'ip address add 10.99.99.99/32 dev lo'

const privileges = ['1', '2', '0000000000000000', '0000000000000000']
const vllmArguments = 'serve|/my models/qwen|--host|127.0.0.1|--port|8091|--max-model-len|4096'.split('|')

test(
  'model servers of the user see the models and no key, no bus and no other directory',
  { skip },
  async (t) => {
    const manager = await startUserManager(t)
    await install(manager, user)
    await manager.ok(otherAddress, { isRoot: true })
    await manager.ok(
      `cp ${examples}/ollama.service .config/systemd/user; cp models/bin/vllm .local/bin/ollama
    systemctl --user daemon-reload; systemctl --user start llama-server@qwen vllm@qwen ollama`,
    )
    const seen = {
      reads: [`${home}/models/weights`],
      connects: [],
      privileges,
      families: ['AF_INET', 'AF_INET6', 'AF_UNIX', 'AF_NETLINK'],
      // A user manager can filter no addresses.
      sends: ['127.0.0.1', '10.99.99.99'],
      keep_alive: null,
    }
    const [llama, vllm, ollama] = await Promise.all([8081, 8091, 11434].map((port) => factsOf(manager, port)))
    assert.deepEqual(llama, {
      ...seen,
      arguments: ['--host', '127.0.0.1'],
      home: `${home}/.cache/llama-server`,
      writes: [`${home}/.cache/llama-server`],
      families: ['AF_INET', 'AF_INET6', 'AF_UNIX'],
    })
    assert.deepEqual(vllm, {
      ...seen,
      arguments: vllmArguments,
      home: `${home}/.cache/vllm`,
      writes: [`${home}/.cache/vllm`],
    })
    assert.deepEqual(ollama, {
      ...seen,
      arguments: ['serve'],
      home,
      // Its home is an empty one, in memory.
      writes: [`${home}/.ollama`, home],
      keep_alive: '-1',
    })
  },
)

test(
  'model servers of the system have a user of their own and no network but loopback',
  { skip },
  async (t) => {
    const machine = await startMachine(t)
    await install(machine, system)
    const root = { isRoot: true }
    await machine.ok(
      `${otherAddress}
    cd /etc/systemd/system
    for unit in llama-server vllm; do
      mkdir $unit@.service.d; cp ${examples}/system-model-server.conf $unit@.service.d/
    done
    # udev makes both where it is.
    for group in render video; do getent group $group || groupadd --system $group; done
    useradd --system --home-dir /var/lib/ollama --create-home ollama
    printf '%s\\n' [Service] 'ExecStart=/usr/local/models/bin/ollama serve' User=ollama Group=ollama Restart=always \
      'Environment=HOME=/var/lib/ollama' >ollama.service
    cp /usr/local/models/bin/vllm /usr/local/models/bin/ollama
    mkdir ollama.service.d; cp ${examples}/ollama.service.d/50-llm-gateway.conf ollama.service.d/
    systemctl daemon-reload; systemctl start llama-server@qwen vllm@qwen ollama`,
      root,
    )
    const seen = {
      reads: ['/usr/local/models/weights'],
      connects: [],
      privileges,
      families: ['AF_INET', 'AF_INET6', 'AF_UNIX', 'AF_NETLINK'],
      sends: ['127.0.0.1'],
      keep_alive: null,
    }
    const [llama, vllm, ollama] = await Promise.all([8081, 8091, 11434].map((port) => factsOf(machine, port)))
    assert.deepEqual(llama, {
      ...seen,
      arguments: ['--host', '127.0.0.1'],
      home: '/var/cache/llama-server',
      writes: ['/var/cache/llama-server'],
      families: ['AF_INET', 'AF_INET6', 'AF_UNIX'],
    })
    assert.deepEqual(vllm, {
      ...seen,
      arguments: vllmArguments,
      home: '/var/cache/vllm',
      writes: ['/var/cache/vllm'],
    })
    assert.deepEqual(ollama, {
      ...seen,
      arguments: ['serve'],
      home: '/var/lib/ollama',
      writes: ['/var/lib/ollama'],
      // `ollama pull` needs it.
      sends: ['127.0.0.1', '10.99.99.99'],
      keep_alive: '-1',
    })
  },
)
