/** Connections for a client that holds every answer as a whole: one that goes on for too long is cut. */
import { Agent as HttpAgent } from 'node:http';
import { type AgentOptions, Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';

export interface BoundedAgentOptions extends AgentOptions {
  /** Bytes as they are read from the connection, headers included. */
  readonly maxAnswerBytes: number;
}

/** @param protocol `http:` or `https:` */
export function createBoundedAgent(
  protocol: string,
  { maxAnswerBytes, ...options }: BoundedAgentOptions,
): HttpAgent {
  const agent = protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  /** By connection, for the request that it has now. */
  const received = new WeakMap<Duplex, number>();
  const connect = agent.createConnection.bind(agent);
  const reuse = agent.reuseSocket.bind(agent);
  agent.createConnection = (...connecting) => {
    const socket = connect(...connecting);
    socket?.on('data', (chunk: Buffer) => {
      const bytes = (received.get(socket) ?? 0) + chunk.length;
      received.set(socket, bytes);
      if (bytes > maxAnswerBytes) socket.destroy(new Error(`an answer of more than ${maxAnswerBytes} bytes`));
    });
    return socket;
  };
  agent.reuseSocket = (socket, request) => {
    received.set(socket, 0);
    reuse(socket, request);
  };
  return agent;
}
