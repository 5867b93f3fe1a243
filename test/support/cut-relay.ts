// A ProxyCommand of ssh: passes a connection to a port of this machine on, and ends it after so many bytes from the client.
// Arguments: the port, the bytes.
import { connect } from 'node:net'

const [port, bytes] = process.argv.slice(2).map(Number) as [number, number]
const socket = connect(port, '127.0.0.1')
socket.pipe(process.stdout)
socket.once('close', () => process.exit(0))
let passed = 0
process.stdin.on('data', (chunk: Buffer) => {
  passed += chunk.length
  if (passed >= bytes) socket.destroy()
  else if (!socket.write(chunk)) {
    process.stdin.pause()
    socket.once('drain', () => process.stdin.resume())
  }
})
