// SPDX-License-Identifier: GPL-2.0-only
/* A PCI driver as small as one can be: it claims its cards and loads their firmware. */
#include <linux/firmware.h>
#include <linux/module.h>
#include <linux/pci.h>

#define ACME_FIRMWARE "acme/nic.bin"

static const struct pci_device_id acme_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x10f9) },
	{ PCI_DEVICE(0x1af4, 0x10f2) },
	{ }
};
MODULE_DEVICE_TABLE(pci, acme_ids);

static int acme_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	const struct firmware *fw;
	int err = pcim_enable_device(dev);

	if (err)
		return err;
	err = request_firmware(&fw, ACME_FIRMWARE, &dev->dev);
	if (err)
		return err;
	dev_info(&dev->dev, "firmware of %zu bytes\n", fw->size);
	release_firmware(fw);
	return 0;
}

static struct pci_driver acme_driver = {
	.name = KBUILD_MODNAME,
	.id_table = acme_ids,
	.probe = acme_probe,
};
module_pci_driver(acme_driver);

MODULE_DESCRIPTION("Acme network cards");
MODULE_LICENSE("GPL");
MODULE_FIRMWARE(ACME_FIRMWARE);
