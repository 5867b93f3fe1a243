export async function benchRealServers(): Promise<void> {}
