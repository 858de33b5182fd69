// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Claims the controllers on PCI, and tells their serial number. */
#include <linux/module.h>
#include <linux/pci.h>

u32 acme_raid_sum(const u8 *data, size_t length);

static const struct pci_device_id acme_raid_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x20f1) },
	{ PCI_DEVICE(0x1af4, 0x20f2) },
	{ }
};
MODULE_DEVICE_TABLE(pci, acme_raid_ids);

static int acme_raid_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	u8 serial[8];
	int at, err = pcim_enable_device(dev);

	if (err)
		return err;
	for (at = 0; at < sizeof(serial); at++)
		pci_read_config_byte(dev, PCI_CAPABILITY_LIST + at, &serial[at]);
	dev_info(&dev->dev, "controller %08x\n", acme_raid_sum(serial, sizeof(serial)));
	return 0;
}

static struct pci_driver acme_raid_driver = {
	.name = KBUILD_MODNAME,
	.id_table = acme_raid_ids,
	.probe = acme_raid_probe,
};
module_pci_driver(acme_raid_driver);

MODULE_DESCRIPTION("Acme RAID controllers");
MODULE_LICENSE("Dual MIT/GPL");
