import { Module } from '@nestjs/common';
import { EventLog, openEventLog } from '@flex/events';
import { ServiceContext } from '@flex/events/service';
import { PolicyController } from './policy.controller.js';

@Module({
  controllers: [PolicyController],
  providers: [
    {
      provide: EventLog,
      inject: [ServiceContext],
      useFactory: ({ nc, shape }: ServiceContext) => openEventLog({ nc, source: 'policy', shape }),
    },
  ],
})
export class PolicyModule {}
